//go:build linux && amd64

package ptrace

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// execLimit bounds how long it is waited for a program to be executed.
	execLimit = 2 * time.Second
	// seizeLimit bounds how long the thread is kept from it. Before Linux 6.8 nobody can attach to a thread that opens
	// a program to execute it (cred_guard_mutex, prepare_bprm_creds in the kernel's fs/exec.c): it is let go while we wait,
	// and we get hold of it in the middle of that call.
	seizeLimit = 3 * time.Millisecond
)

// SeizeExec attaches to a process a thread of which is about to execute a program, has it go on by
// release, and returns when it has executed that, stopped before its first instruction. release is
// always called, at most once.
//
// Nothing but that thread is attached to: the others end as it executes, and it has the ID of the
// process from then on (execve(2)). Others that are attached to would have to be waited for meanwhile.
//
// If the tracer is killed meanwhile, the process just goes on.
func SeizeExec(ctx context.Context, pid, tid int, opt Options, release func()) (*Session, error) {
	once := sync.OnceFunc(release)
	defer once()
	return seizeBy(ctx, pid, opt, func(t *tracer, s *Session) error { return t.attachExec(ctx, s, tid, once) })
}

func (t *tracer) attachExec(ctx context.Context, s *Session, tid int, release func()) error {
	late := time.AfterFunc(seizeLimit, release)
	t.hurry(true) // when it is let go in the middle of the call, nobody is to come before us
	err := seize(tid)
	t.hurry(false)
	if err != nil {
		_, err = t.explain(tid, err)
		if err == nil {
			err = &Refusal{Code: NotReady, PID: t.id.PID, TID: tid, Msg: "ends before it executes a program"}
		}
		return err
	}
	t.threads[tid] = &thread{tid: tid}
	if !late.Stop() { // it is executing, or has executed, and either tells of that or just stops
		interrupt(tid)
		interrupt(t.id.PID)
	}
	release()
	for deadline, wait := time.Now().Add(execLimit), newBackoff(); ; {
		ev, ok := t.eventOfExec(tid)
		switch {
		case !ok && (ctx.Err() != nil || time.Now().After(deadline)):
			return &Refusal{Code: NotReady, PID: t.id.PID, Msg: "has executed no program in time"}
		case !ok:
			wait.sleep()
			continue
		case ev.code == cldTrapped && (ev.status>>8 == unix.PTRACE_EVENT_EXEC || ev.status>>8 == unix.PTRACE_EVENT_STOP && ev.tid == t.id.PID):
			return t.executed(ctx, s)
		}
		t.handle(ev)
		if t.err != nil {
			return t.err
		}
		t.letRun(ev.tid)
	}
}

// eventOfExec is the next event of a thread that executes a program, whatever its ID is by now.
func (t *tracer) eventOfExec(tid int) (event, bool) {
	if ev, ok := peekEvent(t.id.PID); ok || tid == t.id.PID {
		return ev, ok
	}
	return peekEvent(tid)
}

// executed stops the process that has executed a program.
func (t *tracer) executed(ctx context.Context, s *Session) error {
	if err := t.open(s); err != nil {
		return err
	}
	pid := t.id.PID
	clear(t.threads)
	t.threads[pid] = &thread{tid: pid, asked: true}
	reap(pid)
	interrupt(pid)
	cont(pid, 0)
	return t.stop(ctx)
}
