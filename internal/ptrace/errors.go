//go:build linux && amd64

package ptrace

import (
	"errors"
	"fmt"
	"strings"
)

// A Code says why a process is refused. It is stable, and an error of its own
// that errors.Is finds in a [Refusal].
type Code string

// The refusals.
const (
	NotLeader    Code = "not-a-process" // the id is that of a thread
	KernelThread Code = "kernel-thread" // no user memory
	Zombie       Code = "zombie"        // has exited, is not reaped
	CoreDumping  Code = "core-dumping"  // is dying
	Traced       Code = "traced"        // another tracer has it
	Foreign      Code = "foreign-arch"  // not a 64-bit x86-64 program
	Permission   Code = "permission"    // the kernel does not let us trace it
	Seccomp      Code = "seccomp"       // a filter may kill it for our system call
	ShadowStack  Code = "shadow-stack"  // CET: a return to a gadget would fault
	NoGadget     Code = "no-gadget"     // no syscall;ret or no rt_sigreturn code
	NoThread     Code = "no-thread"     // no thread that can make a call now; try again
	NoRange      Code = "no-free-range" // no room for a mapping near enough
	Exec         Code = "exec"          // it has executed another program
	NotReady     Code = "not-ready"     // it is not about to execute a program
)

func (c Code) Error() string { return string(c) }

// A Refusal says that something can't be done to a process, safely or at all.
// The process is as it was before the call.
type Refusal struct {
	Code   Code
	PID    int // 0 when it is about an address space on its own
	TID    int // thread, 0 when it is about the whole process
	Tracer int // thread id of the other tracer, for Traced
	Msg    string
	Hint   string // what a person may do about it, or ""
	Err    error  // the kernel's answer, or nil
}

func (r *Refusal) Error() string {
	var b strings.Builder
	if r.PID != 0 {
		fmt.Fprintf(&b, "process %d", r.PID)
	}
	if r.TID != 0 {
		fmt.Fprintf(&b, ", thread %d", r.TID)
	}
	if b.Len() > 0 {
		b.WriteString(": ")
	}
	fmt.Fprintf(&b, "refused (%s): %s", string(r.Code), r.Msg)
	if r.Err != nil {
		fmt.Fprintf(&b, ": %v", r.Err)
	}
	if r.Hint != "" {
		fmt.Fprintf(&b, " (%s)", r.Hint)
	}
	return b.String()
}

// Unwrap returns the code and the cause, so that errors.Is finds both.
func (r *Refusal) Unwrap() []error {
	if r.Err == nil {
		return []error{r.Code}
	}
	return []error{r.Code, r.Err}
}

// A Stuck thread did not stop in time.
type Stuck struct {
	TID    int
	Name   string // command name
	State  byte   // as in /proc/PID/stat; 'D' is uninterruptible
	Kernel string // kernel function it waits in, or "" when unknown
}

// A TimeoutError names the threads that did not stop in time. All threads are
// running again.
//
// A thread in state D waits for a device or a network file system, or for its
// vfork child; the time to try again is later.
type TimeoutError struct {
	PID   int
	Stuck []Stuck
	Err   error // the context's error when that ended the wait, or nil
}

func (e *TimeoutError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "process %d: threads that did not stop in time:", e.PID)
	for _, s := range e.Stuck {
		fmt.Fprintf(&b, " %d (%s, state %c", s.TID, s.Name, s.State)
		if s.Kernel != "" {
			fmt.Fprintf(&b, " in %s", s.Kernel)
		}
		b.WriteString(")")
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	return b.String()
}

func (e *TimeoutError) Unwrap() error { return e.Err }

// Timeout makes it a net.Error-like timeout.
func (e *TimeoutError) Timeout() bool { return true }

// Errors that say that a session, or a call, came at the wrong time.
var (
	ErrClosed     = errors.New("session is detached")
	ErrNotStopped = errors.New("process is not stopped")
	ErrNoSuchTask = errors.New("no such thread in the session")
)

// An AbandonedError says that a system call did not end within its time. The
// thread was let go: it finishes the call by itself and restores itself. The
// session is detached; whether the call has an effect is not known.
type AbandonedError struct {
	PID, TID int
	Nr       uint64
	Err      error
}

func (e *AbandonedError) Error() string {
	return fmt.Sprintf("process %d, thread %d: system call %d left to finish by itself: %v",
		e.PID, e.TID, e.Nr, e.Err)
}

func (e *AbandonedError) Unwrap() error { return e.Err }

// A ThreadError is a failed ptrace request.
type ThreadError struct {
	TID int
	Op  string // e.g. "PTRACE_GETREGS"
	Err error
}

func (e *ThreadError) Error() string { return fmt.Sprintf("thread %d: %s: %v", e.TID, e.Op, e.Err) }

func (e *ThreadError) Unwrap() error { return e.Err }
