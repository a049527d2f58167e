//go:build linux && amd64

package ptrace

import (
	"context"
	"errors"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gosplice/gosplice/internal/procfs"
)

// Syscall makes a stopped process make a system call, by one of its threads,
// and returns what the call returns. All threads are as they were afterwards.
// Arguments that point to memory must point to the process's.
//
// An error of the call itself is a [syscall.Errno]. A [*Refusal] says that no
// thread can make it, for now or for good. An [*AbandonedError] says that it did
// not end before ctx or within five seconds; the session is over then.
//
// Whatever happens to the tracer, the process goes on unharmed: see the package
// comment. Calls that block, or that change the thread itself, are not for this.
func (s *Session) Syscall(ctx context.Context, nr uint64, args ...uint64) (ret uint64, err error) {
	if len(args) > 6 {
		return 0, syscall.E2BIG
	}
	err = s.do(func(t *tracer) error {
		ret, err = t.syscall(ctx, nr, args)
		return err
	})
	return ret, err
}

// callTimeout bounds a system call that ctx does not bound.
const callTimeout = 5 * time.Second

func (t *tracer) syscall(ctx context.Context, nr uint64, args []uint64) (uint64, error) {
	if err := t.halted(); err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	th, err := t.choose()
	if err != nil {
		return 0, err
	}
	code, sigreturn, err := t.checkGadgets(ctx)
	if err != nil {
		return 0, err
	}
	c := &call{t: t, th: th, nr: nr}
	if err := c.prepare(sigreturn); err != nil {
		return 0, t.lost(err)
	}
	if err := c.commit(code, args); err != nil {
		return 0, c.abandon(err)
	}
	ret, err := c.run(ctx)
	if err != nil {
		return 0, c.abandon(err)
	}
	if err := c.restore(); err != nil {
		return 0, c.abandon(err)
	}
	if errno := -int64(ret); errno > 0 && errno < 4096 {
		return ret, syscall.Errno(errno)
	}
	return ret, nil
}

// The steps of a system call, after each of which the tracer may die.
const (
	stepFrame     = "frame"     // the frame is written
	stepCommitted = "committed" // the registers lead to the gadget
	stepMasked    = "masked"    // signals are blocked
	stepEntered   = "entered"   // the thread stands before the call
	stepLeft      = "left"      // behind it, and will stop once more
	stepStopped   = "stopped"   // has done so
	stepUnmasked  = "unmasked"  // has its signal mask again
	stepRestored  = "restored"  // and its registers
)

// A call is one system call of a thread.
type call struct {
	t     *tracer
	th    *thread
	nr    uint64
	mask  uint64 // the thread's own
	frame frame
	old   []byte // what was where frame is
}

// prepare writes the frame. The memory below the red zone is nobody's, so that
// the thread is as before if this is as far as it gets.
func (c *call) prepare(sigreturn uint64) error {
	var err error
	if c.mask, err = getSigmask(c.th.tid); err != nil {
		return err
	}
	xstate, err := extendedState(c.th.tid)
	if err != nil {
		return err
	}
	c.frame = buildFrame(&c.th.regs, c.mask, sigreturn, xstate)
	c.old = make([]byte, len(c.frame.bytes))
	if _, err := c.t.mem.ReadAddr(c.old, c.frame.addr); err != nil {
		return err
	}
	if _, err = c.t.write(c.frame.bytes, c.frame.addr); err != nil {
		return err
	}
	c.t.opt.reached(stepFrame)
	if c.t.opt.SuspendSeccomp {
		return c.suspendSeccomp()
	}
	return nil
}

// commit sends the thread to the gadget. From here on it makes the call and
// restores itself, with us or without us. Only then are signals blocked: the
// frame unblocks them.
func (c *call) commit(code uint64, args []uint64) error {
	r := c.th.regs
	r.Orig_rax = noSyscall
	r.Rax = c.nr
	r.Rip = code
	r.Rsp = c.frame.addr
	r.Eflags &^= flagDirection
	for i, reg := range []*uint64{&r.Rdi, &r.Rsi, &r.Rdx, &r.R10, &r.R8, &r.R9} {
		*reg = 0
		if i < len(args) {
			*reg = args[i]
		}
	}
	if err := setRegs(c.th.tid, &r); err != nil {
		return err
	}
	c.t.opt.reached(stepCommitted)
	err := setSigmask(c.th.tid, ^uint64(0))
	c.t.opt.reached(stepMasked)
	return err
}

// suspendSeccomp suspends the filters of the thread, if it has any.
func (c *call) suspendSeccomp() error {
	st, err := procfs.ReadTaskStatus(c.t.id.PID, c.th.tid)
	if err != nil || st.Seccomp == procfs.SeccompDisabled {
		return err
	}
	if err := setOptions(c.th.tid, optsBase|unix.PTRACE_O_SUSPEND_SECCOMP); err != nil {
		return &Refusal{Code: Seccomp, PID: c.t.id.PID, TID: c.th.tid, Err: err,
			Msg: "its seccomp filters can't be suspended", Hint: "CAP_SYS_ADMIN is needed, and no filters of our own"}
	}
	return nil
}

var errSyscallTimeout = errors.New("timed out")

// run lets the thread make the call, and returns when it is stopped again on
// its way out of the kernel, where the kernel decides about restarts.
func (c *call) run(ctx context.Context) (ret uint64, err error) {
	tid := c.th.tid
	c.th.stopped = false
	const (
		entering = iota
		leaving
		done
	)
	phase := entering
	resume := toSyscall
	sig := 0
	deadline := time.Now().Add(callTimeout)
	for {
		if err := resume(tid, sig); err != nil {
			return 0, threadError(tid, "PTRACE_SYSCALL", err)
		}
		ev, err := c.await(ctx, deadline)
		if err != nil {
			return 0, err
		}
		got, what := ev.status&0xff, ev.status>>8
		sig = 0
		switch {
		case got == syscallTrap && phase == entering:
			phase = leaving
			c.t.opt.reached(stepEntered)
		case got == syscallTrap && phase == leaving:
			var r Regs
			if err := getRegs(tid, &r); err != nil {
				return 0, err
			}
			if ret = r.Rax; interrupted(&r) {
				phase = entering // the kernel begins the call again
				continue
			}
			// Arm a stop, so that it comes before any instruction.
			if err := interrupt(tid); err != nil {
				return 0, threadError(tid, "PTRACE_INTERRUPT", err)
			}
			phase, resume = done, cont
			c.t.opt.reached(stepLeft)
		case what == unix.PTRACE_EVENT_STOP:
			c.th.group = got != int(unix.SIGTRAP)
			if phase == done {
				c.th.stopped = true
				c.t.opt.reached(stepStopped)
				return ret, nil
			}
		case what == 0 && got != syscallTrap:
			c.t.stats.Signals++
			sig = got // SIGSTOP; all others are blocked
			if phase == done {
				interrupt(tid) // this stop has taken the last one back
			}
		}
	}
}

// await waits for the thread's next stop.
func (c *call) await(ctx context.Context, deadline time.Time) (event, error) {
	for wait := newBackoff(); ; wait.sleep() {
		if ev, ok := peekEvent(c.th.tid); ok {
			if ev.exited() {
				return ev, &ThreadError{c.th.tid, "system call", unix.ESRCH}
			}
			return ev, nil
		}
		if err := ctx.Err(); err != nil {
			return event{}, err
		}
		if time.Now().After(deadline) {
			return event{}, errSyscallTimeout
		}
	}
}

// restore brings the thread back. The mask comes first, since the frame has
// it; the registers take the thread off the frame, and only then may the frame
// go.
func (c *call) restore() error {
	if c.t.opt.SuspendSeccomp {
		if err := threadError(c.th.tid, "PTRACE_SETOPTIONS", setOptions(c.th.tid, optsBase)); err != nil {
			return err
		}
	}
	if err := setSigmask(c.th.tid, c.mask); err != nil {
		return err
	}
	c.t.opt.reached(stepUnmasked)
	if err := setRegs(c.th.tid, &c.th.regs); err != nil {
		return err
	}
	c.t.opt.reached(stepRestored)
	_, err := c.t.write(c.old, c.frame.addr)
	return err
}

// abandon ends the session and leaves the thread to its frame.
func (c *call) abandon(cause error) error {
	err := c.t.lost(cause)
	if !errors.Is(err, procfs.ErrGone) {
		err = &AbandonedError{c.t.id.PID, c.th.tid, c.nr, err}
	}
	return c.t.fail(err)
}
