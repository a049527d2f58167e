//go:build linux && amd64

package process

import (
	"cmp"
	"errors"
	"os"
	"syscall"

	"github.com/gosplice/gosplice/internal/procfs"
	"github.com/gosplice/gosplice/internal/ptrace"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/splice"
)

// explain turns an error of the kernel or of the tracer into a refusal that
// says what can be done about it. Refusals, and what it does not know, stay.
func explain(err error) error {
	var own *splice.Refusal
	var trace *ptrace.Refusal
	switch {
	case isGone(err):
		// Whatever else it looks like.
	case errors.As(err, &own):
		return err
	case errors.As(err, &trace):
		r := splice.Refuse(splice.Code(trace.Code), "", "", 0, "%s", trace.Msg)
		r.Hint, r.Err = cmp.Or(trace.Hint, traceHints[trace.Code]), &said{err, trace.Err}
		return r
	}
	for _, e := range explanations {
		if errors.Is(err, e.is) {
			r := splice.Refuse(e.code, "", "", 0, "%s", e.message)
			r.Hint, r.Err = e.hint, err
			if isGone(err) { // which the message says
				r.Err = &said{err, nil}
			}
			return r
		}
	}
	return err
}

// traceHints are what helps where the tracer does not say it.
var traceHints = map[ptrace.Code]string{
	ptrace.NotLeader:    "give the ID of the process",
	ptrace.KernelThread: "update the kernel instead (mkupdate)",
	ptrace.Zombie:       "give the ID of a process that runs",
	ptrace.CoreDumping:  "wait until it has ended, and give the ID of the one that is started in its place",
	ptrace.Foreign:      "restart it with the fix: only 64-bit programs can be patched",
	ptrace.NotReady:     "look at it again: it runs what it ran before",
	ptrace.NoRange:      "make one update for each module, or restart the program with the fix",
}

// said is an error whose text a refusal has: only its cause is added.
type said struct{ err, cause error }

func (s *said) Error() string {
	if s.cause == nil {
		return ""
	}
	return s.cause.Error()
}

func (s *said) Unwrap() error { return s.err }

// explanations are tried in their order.
var explanations = []struct {
	is            error
	code          splice.Code
	message, hint string
}{
	{ptrace.Exec, CodeExec, "it has executed another program", "match again: it is another program now"},
	{procfs.ErrRecycled, CodeGone, "it has ended, and another process has its ID now", "give the ID of the process that runs"},
	{procfs.ErrGone, CodeGone, "there is no such process any more", "give the ID of a process that runs"},
	{syscall.ENOMEM, CodeNoMemory, "the kernel gives it no memory", hintMemory},
	{syscall.EAGAIN, CodeNoMemory, "the kernel gives it no memory that is locked, as all of it is (mlockall)", "raise its RLIMIT_MEMLOCK (prlimit --memlock)"},
	{os.ErrPermission, CodePermission, "the kernel does not permit it", "run as the user of the process or as root; see kernel.yama.ptrace_scope and security modules"},
}

// hintMemory is what helps where a process may map nothing more.
const hintMemory = "see its RLIMIT_AS and RLIMIT_DATA, vm.max_map_count and vm.overcommit_memory"

// isGone reports whether the process that an error is about does not exist any
// more, so that nothing is left to be cleaned up.
func isGone(err error) bool {
	return errors.Is(err, procfs.ErrGone) || errors.Is(err, ptrace.Exec)
}

// writeError explains why memory of our own could not be written.
func writeError(err error) error {
	var ae *procfs.AddrError
	if isGone(err) || !errors.As(err, &ae) {
		return err
	}
	r := splice.Refuse(CodePermission, "", "", ae.Addr, "read-only memory can't be written")
	r.Hint, r.Err = "the kernel may run with proc_mem.force_override=never, or restrict /proc/PID/mem", err
	return r
}

// imageMem is an image as a readerAt.
type imageMem struct{ img *image.Image }

func (m imageMem) ReadAddr(p []byte, addr uint64) (int, error) {
	if err := m.img.ReadAddr(p, addr); err != nil {
		return 0, err
	}
	return len(p), nil
}
