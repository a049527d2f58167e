//go:build linux

package running

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module"
)

// TestPlainState reads what a kernel without livepatch shows of an update.
func TestPlainState(t *testing.T) {
	for _, c := range []struct {
		name, enabled, refcnt, taint string
		state                        splice.State
		kept                         string
		plain                        bool
	}{
		{"in effect", "1\n", "1\n", "OE\n", splice.Applied, "", true},
		{"disabled", "0\n", "0\n", "OE\n", splice.Kept, "it is disabled, and loaded", true},
		{"in use", "0\n", "1\n", "OE\n", splice.Kept, "held for the tasks", true},
		{"a livepatch with such a parameter", "1\n", "0\n", "OEK\n", splice.Kept, "it is disabled, and loaded", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, k := newFake(t)
			f.write("proc/modules", "fix 8192 1 - Live 0xffffffffc0000000 (OE)\n")
			f.write("sys/module/fix/notes/"+kernelNote, "")
			f.write("sys/module/fix/notes/"+buildIDNote, "\x04\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00GNU\x00\xab\x01")
			f.write("sys/module/fix/refcnt", c.refcnt)
			f.write("sys/module/fix/taint", c.taint)
			f.write("sys/module/fix/parameters/enabled", c.enabled)
			r, err := k.Find(t.Context(), "fix")
			if err != nil || r.State != c.state || !strings.Contains(r.Kept, c.kept) || k.isPlain("fix") != c.plain {
				t.Fatalf("%+v, %v", r, err)
			}
			tr, err := k.Watch("fix").Look(t.Context())
			if err != nil || tr.Plain != (c.name == "in use") || tr.On != tr.Plain {
				t.Errorf("%+v, %v", tr, err)
			}
		})
	}
}

// TestPlainTasks finds the tasks that an update which was disabled is held for, where the kernel shows
// their stacks, and says so where it does not.
func TestPlainTasks(t *testing.T) {
	f, k := newFake(t)
	f.write("proc/modules", "fix 8192 1 - Live 0xffffffffc0000000 (OE)\n")
	f.write("sys/module/fix/notes/"+kernelNote, "")
	f.write("sys/module/fix/refcnt", "1\n")
	f.write("sys/module/fix/taint", "OE\n")
	f.write("sys/module/fix/parameters/enabled", "0\n")
	f.task(1, 1, "init", "S", false, 0, "do_wait+0x1/0x2")
	f.task(7, 7, "reader", "S", false, 0, "new_read+0x1/0x2 [fix]")
	tr, err := k.Watch("fix").Look(t.Context())
	if err != nil || !tr.Plain || tr.Total != 2 || tr.Done != 1 || len(tr.Blockers) != 1 || tr.Blockers[0].Name != "reader" || tr.Unknown != "" {
		t.Errorf("%+v, %v", tr, err)
	}
	for _, pid := range []string{"1", "7"} {
		os.Remove(filepath.Join(f.root, "proc", pid, "task", pid, "stack"))
	}
	tr, err = k.Watch("fix").Look(t.Context())
	if err != nil || tr.Total != 0 || len(tr.Blockers) != 0 || !strings.Contains(tr.String(), "can't be told: proc/7/task/7/stack: this kernel shows no stacks") {
		t.Errorf("%v, %v", tr, err)
	}
}

// TestPlainLoad tries again while tasks are in the way, until there is no time left.
func TestPlainLoad(t *testing.T) {
	f, k := newFake(t)
	f.refuse = syscall.EBUSY
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := k.loadPlain(ctx, FileOf(&module.Module{Name: "fix", Plain: true}))
	if !errors.Is(err, splice.CodeBusy) || ctx.Err() == nil {
		t.Errorf("%v", err)
	}
	f.refuse = syscall.EINVAL
	if _, err := k.loadPlain(t.Context(), FileOf(&module.Module{Name: "fix", Plain: true})); !errors.Is(err, splice.CodeChanged) {
		t.Errorf("%v", err)
	}
	f.refuse = nil // it is loaded as a livepatch, and has no parameter
	if _, err := k.loadPlain(t.Context(), FileOf(&module.Module{Name: "fix", Plain: true})); !errors.Is(err, CodeNotEnabled) {
		t.Errorf("%v", err)
	}
}
