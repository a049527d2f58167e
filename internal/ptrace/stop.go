//go:build linux && amd64

package ptrace

import (
	"context"
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gosplice/gosplice/internal/procfs"
)

// stop implements [Session.Stop].
func (t *tracer) stop(ctx context.Context) error {
	if err := t.usable(); err != nil || t.stopped {
		return err
	}
	t.pauseAt, t.space = time.Now(), nil
	err := t.stopAll(ctx)
	for err == nil {
		t.hurry(true)
		var killed *thread
		if killed, err = t.readAllRegs(); killed == nil {
			break
		}
		// Only SIGKILL takes a thread out of its stop: the process is ending,
		// or another thread is executing a program and ends all others. What
		// it is will be told.
		killed.stopped, killed.haveRegs = false, false
		err = t.stopAll(ctx)
	}
	if t.err != nil {
		return t.err
	}
	if err != nil {
		t.letAllRun()
		return err
	}
	t.stopped = true
	t.stats.Stops++
	return nil
}

func (t *tracer) stopAll(ctx context.Context) error {
	deadline := t.pauseAt.Add(t.opt.StopTimeout)
	for {
		t.revive()
		t.hurry(true)
		for _, th := range t.threads {
			if !th.stopped && !th.asked && !th.dead {
				th.asked = true
				interrupt(th.tid) // ESRCH: its exit is on the way
			}
		}
		t.hurry(false)
		if err := t.await(ctx, deadline); err != nil {
			return err
		}
		tried, err := t.adopt()
		if err != nil {
			return err
		}
		if tried == 0 && !t.revive() {
			break
		}
	}
	if t.live() == 0 {
		return t.gone()
	}
	return nil
}

// revive notices that the id of a main thread that had ended belongs to another
// one now, which has ended all others by execve(2).
func (t *tracer) revive() bool {
	th := t.threads[t.id.PID]
	if th == nil || !th.dead {
		return false
	}
	st, err := procfs.ReadTaskStat(t.id.PID, th.tid)
	if err != nil || st.IsDead() {
		return false
	}
	*th = thread{tid: th.tid}
	return true
}

// await handles events until every thread is stopped.
func (t *tracer) await(ctx context.Context, deadline time.Time) error {
	wait := newBackoff()
	for {
		progress := false
		waiting := 0
		for _, tid := range t.pending() {
			if ev, ok := peekEvent(tid); ok {
				t.handle(ev)
				progress = true
			}
			if t.err != nil {
				return t.err
			}
			if th := t.threads[tid]; th != nil && !th.stopped {
				waiting++
			}
		}
		switch {
		case waiting == 0 && !progress:
			return nil
		case progress:
			wait = newBackoff()
			continue
		}
		if wait.next >= time.Millisecond {
			t.buryDead()
		}
		if err := ctx.Err(); err != nil || time.Now().After(deadline) {
			return t.timeoutError(err)
		}
		wait.sleep()
	}
}

// pending lists the threads that are to stop, new ones included.
func (t *tracer) pending() []int {
	var tids []int
	for tid, th := range t.threads {
		if !th.stopped && !th.dead {
			tids = append(tids, tid)
		}
	}
	return tids
}

// buryDead notes threads that have ended without an answer. A main thread that
// ends before the others remains as a zombie, and its exit is not announced
// before theirs. Others vanish when another thread executes a program.
func (t *tracer) buryDead() {
	for _, tid := range t.pending() {
		st, err := procfs.ReadTaskStat(t.id.PID, tid)
		switch {
		case errors.Is(err, procfs.ErrGone):
			delete(t.threads, tid)
		case err == nil && st.IsDead() && tid == t.id.PID:
			t.threads[tid].dead = true
		}
	}
}

// timeoutError names the threads that did not stop.
func (t *tracer) timeoutError(cause error) error {
	e := &TimeoutError{PID: t.id.PID, Err: cause}
	for _, tid := range t.pending() {
		s := Stuck{TID: tid, State: '?'}
		if st, err := procfs.ReadTaskStat(t.id.PID, tid); err == nil {
			s.Name, s.State = st.Comm, st.State
		}
		wchan, err := os.ReadFile(procfs.Path(t.id.PID, "task", itoa(tid), "wchan"))
		if w := strings.TrimSpace(string(wchan)); err == nil && w != "0" {
			s.Kernel = w
		}
		e.Stuck = append(e.Stuck, s)
	}
	slices.SortFunc(e.Stuck, func(a, b Stuck) int { return a.TID - b.TID })
	return e
}

// letAllRun undoes a stop that failed half-way.
func (t *tracer) letAllRun() {
	for tid, th := range t.threads {
		if th.stopped && !th.haveRegs {
			t.mendNow(tid)
		}
		t.letRun(tid)
	}
	t.endPause()
	t.pump()
}

func (t *tracer) endPause() {
	t.hurry(false)
	d := time.Since(t.pauseAt)
	t.stats.LastPause = d
	t.stats.MaxPause = max(t.stats.MaxPause, d)
	t.stats.Total += d
}

// resume implements [Session.Resume].
func (t *tracer) resume() error {
	if err := t.usable(); err != nil || !t.stopped || t.held {
		return err
	}
	t.stopped = false
	for tid := range t.threads {
		t.letRun(tid)
	}
	t.endPause()
	t.pump()
	return t.err
}

// endedByStop lists the system calls that the kernel ends with EINTR even when
// no handler runs, although beginning them again is right then. Those with a
// relative time limit wait for their whole time again. See signal(7),
// "Interruption of system calls and library functions by stop signals".
var endedByStop = map[uint64]string{
	unix.SYS_SEMOP:           "semop",
	unix.SYS_RT_SIGTIMEDWAIT: "rt_sigtimedwait",
	unix.SYS_IO_GETEVENTS:    "io_getevents",
	unix.SYS_SEMTIMEDOP:      "semtimedop",
	unix.SYS_EPOLL_WAIT:      "epoll_wait",
	unix.SYS_EPOLL_PWAIT:     "epoll_pwait",
	unix.SYS_EPOLL_PWAIT2:    "epoll_pwait2",
}

// readAllRegs reads the registers of all threads, and makes the kernel begin
// again the system calls that our stop has ended. -ERESTARTNOHAND leaves the
// choice to the kernel: when a handler is about to run, the call still ends
// with EINTR. It returns the thread that is not in its stop any more, if one is
// not.
func (t *tracer) readAllRegs() (killed *thread, err error) {
	for _, th := range t.threads {
		if th.dead {
			continue
		}
		if err := t.readRegs(th); errors.Is(err, unix.ESRCH) {
			return th, nil
		} else if err != nil {
			return nil, err
		}
		if err := t.mend(th.tid, &th.regs); errors.Is(err, unix.ESRCH) {
			return th, nil
		} else if err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// mend makes the kernel begin again the call that a thread was taken out of, where
// it would end it, or go on with it by restart_syscall although the thread's
// filters forbid that.
func (t *tracer) mend(tid int, r *Regs) error {
	_, ended := endedByStop[r.Orig_rax]
	ended = ended && int64(r.Rax) == -int64(unix.EINTR)
	if !ended && (!interrupted(r) || -int64(r.Rax) != errRestartBlock || !t.forbidsRestart(tid, r)) {
		return nil
	}
	fixed := *r
	fixed.Rax = negative(errRestartNoHand)
	err := setRegs(tid, &fixed)
	if err == nil {
		*r = fixed
	}
	return err
}

// mendNow is mend for a stopped thread whose registers are not known: nothing but
// its filters matters then.
func (t *tracer) mendNow(tid int) {
	var r Regs
	if getRegs(tid, &r) == nil && interrupted(&r) {
		_ = t.mend(tid, &r) // it is gone
	}
}

func (t *tracer) readRegs(th *thread) error {
	if th.haveRegs {
		return nil
	}
	if err := getRegs(th.tid, &th.regs); err != nil {
		return err
	}
	const userCS = 0x33 // __USER_CS; 0x23 is 32-bit code
	if th.regs.Cs != userCS {
		return &Refusal{Code: Foreign, PID: t.id.PID, TID: th.tid, Msg: "runs 32-bit code"}
	}
	th.haveRegs = true
	return nil
}

// lost interprets an error of a request to a stopped thread: nothing but
// SIGKILL and the end of the process takes a thread out of its stop.
func (t *tracer) lost(err error) error {
	if te, ok := err.(*ThreadError); ok && te.Err == unix.ESRCH {
		return t.gone()
	}
	return err
}

// halted returns nil when the process is stopped.
func (t *tracer) halted() error {
	if err := t.usable(); err != nil {
		return err
	}
	if !t.stopped {
		return ErrNotStopped
	}
	return nil
}

func itoa(n int) string { return strconv.Itoa(n) }

// negative returns the two's complement of an error number, as registers hold
// it.
func negative(errno int) uint64 { return -uint64(errno) }
