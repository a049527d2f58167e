//go:build linux && amd64

package ptrace

import (
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gosplice/gosplice/internal/procfs"
)

// A thread is one traced thread.
type thread struct {
	tid     int
	stopped bool // in PTRACE_EVENT_STOP, i.e. on its way out of the kernel
	group   bool // that stop is one of job control
	asked   bool // PTRACE_INTERRUPT was sent and not yet answered
	dead    bool // main thread that has exited before the others

	regs     Regs // while stopped
	haveRegs bool
}

// tracer is the state of a session that only its thread touches.
type tracer struct {
	id      procfs.ID
	opt     Options
	tid     int // thread id of the tracer
	mem     *Mem
	threads map[int]*thread
	sigchld chan os.Signal

	stopped bool             // all threads are
	space   []procfs.Mapping // as it was read in this stop, or nil; see maps
	held    bool             // and remain so until the session ends
	closed  bool
	err     error // why the session is over, or nil
	gadgets gadgets

	stats   Stats
	pauseAt time.Time

	sched  *unix.SchedAttr // of the thread as it is; nil when it may not change it
	urgent bool
}

// usable returns why the session can't be used, or nil.
func (t *tracer) usable() error {
	switch {
	case t.err != nil:
		return t.err
	case t.closed:
		return ErrClosed
	}
	return nil
}

// ordinary notes how the tracer's thread is scheduled.
func (t *tracer) ordinary() {
	if a, err := unix.SchedGetAttr(0, 0); err == nil {
		t.sched = a
	}
}

// hurry has the tracer's thread go before others, or be as it was. It does so for the short
// whiles in which it has something to do for each of many threads that it wakes by that: each
// would take its processor, and the others of the process wait all the longer. It is as it
// was where it waits for them. Without the right to it all goes on, if slower.
func (t *tracer) hurry(on bool) {
	if t.sched == nil || t.urgent == on {
		return
	}
	a := t.sched
	if on {
		a = &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Flags: unix.SCHED_FLAG_RESET_ON_FORK, Priority: 1}
	}
	if unix.SchedSetAttr(0, a, 0) == nil {
		t.urgent = on
	} else if on {
		t.sched = nil
	}
}

// fail ends the session: everything that is traced runs on.
func (t *tracer) fail(err error) error {
	if t.err == nil {
		t.err = err
	}
	t.detachStopped()
	return t.err
}

// gone says that the process has ended.
func (t *tracer) gone() error {
	return t.fail(&procfs.FileError{File: procfs.Path(t.id.PID), Err: procfs.ErrGone})
}

// detachStopped detaches the stopped threads. The others are detached by the
// kernel when the tracer's thread ends.
func (t *tracer) detachStopped() {
	if t.stopped {
		t.endPause()
	}
	for _, th := range t.threads {
		if th.stopped && detach(th.tid) == nil {
			delete(t.threads, th.tid)
		}
	}
	t.stopped = false
}

// pump handles what has happened to running threads. While all are stopped there
// is nothing that could happen but the end of the process.
func (t *tracer) pump() {
	if t.stopped || t.err != nil {
		return
	}
	// A thread that is sent signals without end must not keep us from calls.
	const most = 100
	for range most {
		ev, ok := peekEvent(0)
		if !ok {
			return
		}
		if !t.mine(ev) {
			// A child of this program that nobody has waited for yet.
			// It hides the others.
			t.pumpEach()
			return
		}
		t.handle(ev)
		if t.err != nil {
			return
		}
		t.letRun(ev.tid)
	}
	select {
	case t.sigchld <- unix.SIGCHLD: // to be continued
	default:
	}
}

func (t *tracer) pumpEach() {
	for tid := range t.threads {
		if ev, ok := peekEvent(tid); ok {
			t.handle(ev)
			t.letRun(tid)
		}
		if t.err != nil {
			return
		}
	}
}

// mine tells whether an event is about the traced process. Tracees that are
// not known yet are new threads, or processes made by clone(2) with another
// signal than SIGCHLD, which PTRACE_O_TRACECLONE attaches to as well.
func (t *tracer) mine(ev event) bool {
	if t.threads[ev.tid] != nil {
		return true
	}
	if ev.code == cldTrapped {
		return true
	}
	st, err := procfs.ReadStatus(ev.tid)
	return err == nil && st.Tgid == t.id.PID && ev.tid != st.Tgid
}

// letRun lets a running session's thread go on after a stop.
func (t *tracer) letRun(tid int) {
	th := t.threads[tid]
	if th == nil || !th.stopped {
		return
	}
	if th.group {
		listen(tid) // remains stopped, and hears of SIGCONT
	} else {
		cont(tid, 0)
	}
	th.stopped, th.haveRegs = false, false
}

// handle notes an event and answers it, but for PTRACE_EVENT_STOP, after which
// the thread is stopped and remains so.
func (t *tracer) handle(ev event) {
	if ev.exited() {
		t.handleExit(ev.tid)
		return
	}
	th := t.threads[ev.tid]
	if th == nil {
		if th = t.newcomer(ev.tid); th == nil {
			return
		}
	}
	sig, what := ev.status&0xff, ev.status>>8
	if th.asked && what != unix.PTRACE_EVENT_STOP {
		// Every other stop takes back the request to stop (ptrace_stop in
		// the kernel's kernel/signal.c).
		interrupt(ev.tid)
	}
	switch {
	case what == unix.PTRACE_EVENT_STOP:
		th.stopped, th.asked = true, false
		th.group = sig != int(unix.SIGTRAP)
	case what == unix.PTRACE_EVENT_CLONE:
		if tid, err := eventMessage(ev.tid); err == nil && t.threads[int(tid)] == nil {
			t.newcomer(int(tid))
		}
		cont(ev.tid, 0)
	case what == unix.PTRACE_EVENT_EXEC:
		t.handleExec(ev.tid)
	case what != 0 || sig == syscallTrap:
		cont(ev.tid, 0)
	default:
		// A signal on its way to the thread. Its handler's frame is made
		// before the stop that was asked for.
		// A signal that is ignored interrupts the thread too while it is traced.
		t.stats.Signals++
		t.mendNow(ev.tid)
		cont(ev.tid, sig)
	}
}

// handleExit notes the end of a thread. A main thread's end is announced when
// all others have ended.
func (t *tracer) handleExit(tid int) {
	delete(t.threads, tid)
	if tid != t.id.PID {
		reap(tid)
		return
	}
	// The end of our own child is for the one who started it to wait for.
	if st, err := procfs.ReadStatus(tid); err == nil && st.PPid != os.Getpid() {
		reap(tid)
	}
	t.gone()
}

// handleExec ends the session: the code that was looked at is no more. The
// other threads are gone; the one that executed has the process's id now.
func (t *tracer) handleExec(tid int) {
	reap(tid)
	detach(tid)
	clear(t.threads)
	t.fail(&Refusal{Code: Exec, PID: t.id.PID, Msg: "has executed another program"})
}

// newcomer takes in a thread that the kernel attached us to. A process that is
// not ours is let go and nil returned, as for a thread that is gone again: its
// end may be noticed before its parent tells of it.
func (t *tracer) newcomer(tid int) *thread {
	st, err := procfs.ReadStatus(tid)
	if err != nil {
		return nil
	}
	if st.Tgid != t.id.PID {
		t.releaseStranger(tid)
		return nil
	}
	th := &thread{tid: tid, asked: true} // it stops once without being asked
	t.threads[tid] = th
	return th
}

// releaseStranger detaches a process that was attached because it was cloned.
// It can be detached once it has come to its first stop.
func (t *tracer) releaseStranger(tid int) {
	for wait := newBackoff(); wait.total < 100*time.Millisecond; wait.sleep() {
		if err := detach(tid); err == nil {
			return
		}
		if _, err := procfs.ReadStat(tid); err != nil {
			return
		}
	}
}

// live counts the threads that have not ended.
func (t *tracer) live() (n int) {
	for _, th := range t.threads {
		if !th.dead {
			n++
		}
	}
	return n
}

// backoff waits for longer and longer. It blocks the OS thread, which has
// nothing else to do, and is more exact than a timer of the Go runtime. Threads
// mostly stop within microseconds, so that it begins by just yielding.
type backoff struct {
	yields      int
	next, total time.Duration
}

func newBackoff() *backoff { return &backoff{yields: 30, next: 5 * time.Microsecond} }

func (b *backoff) sleep() {
	if b.yields > 0 {
		b.yields--
		unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
		return
	}
	ts := unix.NsecToTimespec(int64(b.next))
	unix.Nanosleep(&ts, nil)
	b.total += b.next
	b.next = min(2*b.next, time.Millisecond)
}
