//go:build linux && amd64

package ptrace

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// execLimit bounds how long it is waited for a program to be executed.
const execLimit = 2 * time.Second

// SeizeExec attaches to a process that is about to execute a program, has it go on by release, and
// returns when it has executed that, stopped before its first instruction. release is always
// called, at most once. A process with several threads is refused with [NotReady].
//
// If the tracer is killed meanwhile, the process just goes on.
func SeizeExec(ctx context.Context, pid int, opt Options, release func()) (*Session, error) {
	once := sync.OnceFunc(release)
	defer once()
	return seizeBy(ctx, pid, opt, func(t *tracer, s *Session) error { return t.attachExec(ctx, s, once) })
}

func (t *tracer) attachExec(ctx context.Context, s *Session, release func()) error {
	if _, err := t.adopt(); err != nil {
		return err
	}
	pid := t.id.PID
	if len(t.threads) != 1 || t.threads[pid] == nil {
		return &Refusal{Code: NotReady, PID: pid, Msg: "has several threads, one of which executes a program"}
	}
	release()
	for deadline := time.Now().Add(execLimit); ; {
		ev, ok := t.awaitOne(ctx, pid, deadline)
		switch {
		case !ok:
			return &Refusal{Code: NotReady, PID: pid, Msg: "has executed no program in time"}
		case ev.code == cldTrapped && ev.status>>8 == unix.PTRACE_EVENT_EXEC:
			if err := t.open(s); err != nil {
				return err
			}
			th := t.threads[pid]
			th.asked = true
			interrupt(pid)
			cont(pid, 0)
			return t.stop(ctx)
		}
		t.handle(ev)
		if t.err != nil {
			return t.err
		}
		t.letRun(ev.tid)
	}
}
