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
	return t.guardedCall(ctx, &sysCall{nr: nr, args: arguments(args)}, nil, nil)
}

func arguments(list []uint64) (args [6]uint64) {
	copy(args[:], list)
	return args
}

// guardedCall makes a call and what is to follow it, while the thread stands on its
// frames. If the tracer dies until then, the thread makes the call undo, too, before
// it is where it was: unless undo is nil, its filters object to it, or its stack has
// no room.
func (t *tracer) guardedCall(ctx context.Context, what, undo *sysCall, then func() error) (uint64, error) {
	if err := t.halted(); err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	w, err := t.findWay(ctx)
	if err != nil {
		return 0, err
	}
	c := &call{t: t, sysCall: *what}
	c.way = w
	if c.th, c.suspend, err = t.choose(&c.sysCall); err != nil {
		return 0, err
	}
	if undo != nil && !c.suspend {
		undo.way = w
		if err := c.mayUndo(undo); err != nil {
			return 0, err
		}
	}
	if err := c.prepare(); err != nil {
		return 0, t.lost(err)
	}
	if err := c.commit(); err != nil {
		return 0, c.abandon(err)
	}
	ret, err := c.run(ctx)
	if err != nil {
		return 0, c.abandon(err)
	}
	errno := -int64(ret)
	failed := errno > 0 && errno < 4096
	var thenErr error
	if then != nil && !failed {
		thenErr = then()
	}
	if err := c.restore(); err != nil {
		return 0, c.abandon(err)
	}
	if failed {
		return ret, syscall.Errno(errno)
	}
	return ret, thenErr
}

// mayUndo has the thread make another call if the tracer dies, when its filters
// have nothing against that.
func (c *call) mayUndo(undo *sysCall) error {
	maps, err := c.t.maps()
	if err != nil {
		return err
	}
	if how, no := c.t.unfit(c.th, maps, undo); no == nil && how == consentFree {
		c.undo = undo
	}
	return nil
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
	sysCall
	t       *tracer
	th      *thread
	suspend bool     // its seccomp filters
	undo    *sysCall // what it makes if nobody brings it back, or nil
	mask    uint64   // the thread's own
	frame   frame
	old     []byte // what was where frame is
}

// prepare writes the frame. The memory below the red zone is nobody's, so that
// the thread is as before if this is as far as it gets.
func (c *call) prepare() error {
	var err error
	if c.mask, err = getSigmask(c.th.tid); err != nil {
		return err
	}
	xstate, err := extendedState(c.th.tid)
	if err != nil {
		return err
	}
	c.frame = buildFrame(&c.th.regs, c.mask, c.way.words, xstate)
	if f := c.undoing(xstate); c.undo != nil && c.save(f) == nil {
		c.frame = f
	} else if err := c.save(c.frame); err != nil {
		return err
	}
	if _, err = c.t.write(c.frame.bytes, c.frame.addr); err != nil {
		return err
	}
	if err := c.t.lend(c.way.lent); err != nil {
		return err
	}
	c.t.opt.reached(stepFrame)
	return nil
}

// undoing returns the frame with another in front of it, which sends the thread to
// the call that undoes.
func (c *call) undoing(xstate []byte) frame {
	if c.undo == nil {
		return c.frame
	}
	r := c.th.regs
	r.Orig_rax = noSyscall
	r.Rip = c.way.call
	r.Eflags &^= flagDirection
	r.Rax, r.Rsp = c.undo.nr, c.frame.addr
	c.undo.arguments(&r)
	f := buildFrame(&r, ^uint64(0), c.way.words, xstate)
	f.bytes = append(append(f.bytes, make([]byte, redZone)...), c.frame.bytes...)
	return f
}

// save reads what is where a frame is to be.
func (c *call) save(f frame) error {
	c.old = make([]byte, len(f.bytes))
	_, err := c.t.mem.ReadAddr(c.old, f.addr)
	return err
}

// commit sends the thread to the gadget. From here on it makes the call and
// restores itself, with us or without us. Only then are signals blocked: the
// frame unblocks them. A thread whose filters have to be suspended is sent to
// rt_sigreturn right away, see [call.swap].
func (c *call) commit() error {
	r := c.th.regs
	r.Orig_rax = noSyscall
	r.Rip = c.way.call
	r.Eflags &^= flagDirection
	r.Rax, r.Rsp = c.nr, c.frame.addr
	c.arguments(&r)
	if c.suspend {
		r.Rax, r.Rsp = unix.SYS_RT_SIGRETURN, c.frame.addr+8*uint64(len(c.way.words))
	}
	if err := setRegs(c.th.tid, &r); err != nil {
		return err
	}
	c.t.opt.reached(stepCommitted)
	err := setSigmask(c.th.tid, ^uint64(0))
	c.t.opt.reached(stepMasked)
	return err
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
		if phase != done {
			resume = toSyscall
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
			if c.suspend {
				if err := c.swap(); err != nil {
					return 0, err
				}
				resume = started // swap has let it go on
			}
		case got == syscallTrap && phase == leaving:
			var r Regs
			if err := getRegs(tid, &r); err != nil {
				return 0, err
			}
			if ret = r.Rax; interrupted(&r) {
				phase = entering // the kernel begins the call again
				continue
			}
			if c.suspend {
				if err := setOptions(tid, optsBase); err != nil {
					return 0, threadError(tid, "PTRACE_SETOPTIONS", err)
				}
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
	if err := setSigmask(c.th.tid, c.mask); err != nil {
		return err
	}
	c.t.opt.reached(stepUnmasked)
	if err := setRegs(c.th.tid, &c.th.regs); err != nil {
		return err
	}
	c.t.opt.reached(stepRestored)
	_, err := c.t.write(c.old, c.frame.addr)
	return errors.Join(err, c.t.takeBack(c.way.lent))
}

// abandon ends the session and leaves the thread to its frame.
func (c *call) abandon(cause error) error {
	err := c.t.lost(cause)
	if !errors.Is(err, procfs.ErrGone) {
		err = &AbandonedError{c.t.id.PID, c.th.tid, c.nr, err}
	}
	return c.t.fail(err)
}
