//go:build linux && amd64

package ptrace

import (
	"context"
	"time"
)

// maxStart bounds the stops on the way to the program's own code: the dynamic linker makes some
// ten system calls for each library.
const maxStart = 1 << 14

// RunUntil lets the only thread of a process that is stopped run from system call to system
// call, until done says so of the registers at one. The process is stopped then, behind
// that call. ok is false when there are several threads, or when it was not to be had in time: the
// process is stopped or runs, as it comes.
//
// If the tracer is killed meanwhile, the process just goes on.
func (s *Session) RunUntil(ctx context.Context, limit time.Duration, done func(*Regs) bool) (ok bool, err error) {
	err = s.do(func(t *tracer) (err error) {
		ok, err = t.runUntil(ctx, time.Now().Add(limit), done)
		return err
	})
	return ok, err
}

// Hold keeps the process stopped: Resume does nothing until the session ends.
func (s *Session) Hold() error {
	return s.do(func(t *tracer) error { t.held = true; return t.usable() })
}

func (t *tracer) runUntil(ctx context.Context, deadline time.Time, done func(*Regs) bool) (bool, error) {
	if err := t.usable(); err != nil || !t.stopped || len(t.threads) != 1 {
		return false, err
	}
	th := t.threads[t.id.PID]
	if th == nil || th.group {
		return false, nil
	}
	t.stopped = false
	t.endPause()
	sig := 0
	for range maxStart {
		th.stopped, th.haveRegs = false, false
		if err := toSyscall(th.tid, sig); err != nil {
			return false, t.stop(ctx) // it was killed
		}
		ev, ok := t.awaitOne(ctx, th.tid, deadline)
		what, stopSig := ev.status>>8, ev.status&0xff
		switch {
		case !ok:
			return false, t.stop(ctx)
		case ev.exited() || what != 0:
			t.handle(ev)
			if t.err != nil {
				return false, t.err
			}
			return false, t.stop(ctx)
		case stopSig != syscallTrap:
			sig = stopSig
			continue
		}
		sig = 0
		var r Regs
		if err := getRegs(th.tid, &r); err != nil {
			return false, t.stop(ctx)
		}
		if !done(&r) {
			continue
		}
		// It goes on to the end of the call, and stops there as every thread does.
		th.asked = true
		interrupt(th.tid)
		cont(th.tid, 0)
		return true, t.stop(ctx)
	}
	return false, t.stop(ctx)
}

// awaitOne waits for the next event of a thread.
func (t *tracer) awaitOne(ctx context.Context, tid int, deadline time.Time) (event, bool) {
	for wait := newBackoff(); ; wait.sleep() {
		if ev, ok := peekEvent(tid); ok {
			return ev, true
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			return event{}, false
		}
	}
}
