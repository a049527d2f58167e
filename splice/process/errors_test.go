//go:build linux && amd64

package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/gosplice/gosplice/internal/procfs"
	"github.com/gosplice/gosplice/internal/ptrace"
	"github.com/gosplice/gosplice/splice"
)

// TestExplain explains what the kernel and the tracer say: a refusal that an
// importer can name, that says a thing once, and what to do about it.
func TestExplain(t *testing.T) {
	for _, c := range []struct {
		err  error
		code splice.Code
		is   error
	}{
		{fmt.Errorf("read: %w", procfs.ErrGone), CodeGone, ErrGone},
		{fmt.Errorf("pid 3: %w", procfs.ErrRecycled), CodeGone, ErrRecycled},
		{fmt.Errorf("mmap: %w", syscall.ENOMEM), CodeNoMemory, syscall.ENOMEM},
		{&os.PathError{Op: "open", Path: "/proc/1/mem", Err: syscall.EACCES}, CodePermission, ErrPermission},
		{&ptrace.Refusal{Code: ptrace.Traced, PID: 7, Msg: "is traced by process 8", Hint: "end it"}, CodeTraced, ptrace.Traced},
		{&ptrace.Refusal{Code: ptrace.Permission, PID: 7, Msg: "the kernel does not let us", Hint: "be root", Err: syscall.EPERM}, CodePermission, fs.ErrPermission},
		{&ptrace.Refusal{Code: ptrace.NoRange, Msg: "no room"}, CodeNoRange, ptrace.NoRange},
		{&ptrace.Refusal{Code: ptrace.NotLeader, Msg: "the id is that of a thread"}, CodeNotAProcess, nil},
		{&ptrace.Refusal{Code: ptrace.Zombie, Msg: "has exited"}, CodeZombie, nil},
		{&ptrace.Refusal{Code: ptrace.NoThread, Msg: "no thread can make a call", Hint: "try again"}, "no-thread", nil},
	} {
		err := explain(c.err)
		var r *splice.Refusal
		if !errors.As(err, &r) || r.Code != c.code || !errors.Is(err, c.code) || !errors.Is(err, splice.ErrRefused) || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%v became %v", c.err, err)
			continue
		}
		if r.Hint == "" || strings.Count(err.Error(), "refused") != 1 || strings.Count(err.Error(), r.Message) != 1 {
			t.Errorf("%v, and the hint %q", err, r.Hint)
		}
	}
}

// TestNoProcess asks for processes that are not there.
func TestNoProcess(t *testing.T) {
	const nobody = 1 << 22
	_, status := Status(context.Background(), nobody)
	_, apply := Apply(context.Background(), nobody, &splice.Update{Format: splice.UpdateFormat}, Options{})
	_, revert := Revert(context.Background(), nobody, "", Options{})
	for what, err := range map[string]error{"status": status, "apply": apply, "revert": revert} {
		if !errors.Is(err, ErrGone) || !errors.Is(err, CodeGone) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
