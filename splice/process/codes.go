package process

import (
	"fmt"
	"os"
	"strings"

	"github.com/gosplice/gosplice/internal/procfs"
	"github.com/gosplice/gosplice/splice"
)

// The refusals that are about a process and not about an update. They are
// codes of a [*splice.Refusal], next to those of package splice.
const (
	CodePermission               = splice.CodePermission
	CodeSharedMemory             = splice.CodeSharedMemory
	CodeGone         splice.Code = "gone"          // the process has ended
	CodeExec         splice.Code = "exec"          // it executed another program meanwhile
	CodeTraced       splice.Code = "traced"        // another tracer has it
	CodeSeccomp      splice.Code = "seccomp"       // a filter may kill it for our system calls
	CodeShadowStack  splice.Code = "shadow-stack"  // its threads return only to where they were called
	CodeNoGadget     splice.Code = "no-gadget"     // it has no code for a system call, and no place for any
	CodeZombie       splice.Code = "zombie"        // it has exited, and waits to be reaped
	CodeCoreDumping  splice.Code = "core-dumping"  // it is writing its core
	CodeForeignArch  splice.Code = "foreign-arch"  // not a 64-bit x86-64 program
	CodeKernelThread splice.Code = "kernel-thread" // it has no memory of its own
	CodeNotAProcess  splice.Code = "not-a-process" // the ID is that of a thread
	CodeNoRange      splice.Code = "no-free-range" // no room for a mapping
	CodeNoMemory     splice.Code = "no-memory"     // a limit of the process or of the system
	CodeFrozen       splice.Code = "frozen"        // its control group is frozen: its container is paused
	CodeCodeMemory   splice.Code = "code-memory"   // the code to be replaced is not in private code of a file
	CodeNotReady     splice.Code = "not-ready"     // it did not execute a program, as it was about to; or its dynamic linker is at work
)

// Errors that errors.Is finds in what this package returns, beside the codes.
var (
	ErrGone     = procfs.ErrGone     // the process has ended
	ErrRecycled = procfs.ErrRecycled // another process has its ID now; it is an ErrGone
	// ErrPermission is for what the kernel does not let us do: fs.ErrPermission.
	ErrPermission = os.ErrPermission
	// ErrRecord is for a record of an update, in the process, that is damaged.
	ErrRecord error = splice.CodeDamaged
)

// A Blocker is a thread that stands in code that would change.
type Blocker struct {
	TID      int
	Function string
	Addr     uint64 // in run: the next instruction, or where a call returns to
	Frame    int    // 0 is the innermost; -1 when the stack was scanned
}

// String returns e.g. "thread 12 returns to serve at 0x55d0 (frame 3)".
func (b Blocker) String() string {
	switch b.Frame {
	case 0:
		return fmt.Sprintf("thread %d stands in %s at %#x", b.TID, b.Function, b.Addr)
	case -1:
		return fmt.Sprintf("thread %d may return to %s at %#x (found by a scan of its stack)", b.TID, b.Function, b.Addr)
	}
	return fmt.Sprintf("thread %d returns to %s at %#x (frame %d)", b.TID, b.Function, b.Addr, b.Frame)
}

// BusyError says which threads stood in the way at the last attempt. It wraps
// the refusal.
type BusyError struct {
	Refusal  *splice.Refusal
	Blockers []Blocker
}

// Error names the first few threads.
func (e *BusyError) Error() string {
	var list []string
	for i, b := range e.Blockers {
		if i == 4 {
			list = append(list, fmt.Sprintf("and %d more", len(e.Blockers)-i))
			break
		}
		list = append(list, b.String())
	}
	why := strings.Join(list, "; ")
	if e.Refusal != nil {
		why = e.Refusal.Error() + ": " + why
	}
	return why
}

// Unwrap returns the refusal.
func (e *BusyError) Unwrap() error {
	if e.Refusal == nil {
		return nil
	}
	return e.Refusal
}
