//go:build linux && amd64

package ptrace

import (
	"context"
	"os"
	"os/signal"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gosplice/gosplice/internal/procfs"
)

// Options tune a session. The zero value is good.
type Options struct {
	// StopTimeout bounds how long the first stopped thread waits for the
	// last one. 0 means 250 ms.
	StopTimeout time.Duration
	// Stopped has the session begin with all threads stopped, as soon as that can be.
	Stopped bool

	// step is told how far a system call got, for tests that end there.
	step func(name string)
}

func (o *Options) reached(name string) {
	if o.step != nil {
		o.step(name)
	}
}

const defaultStopTimeout = 250 * time.Millisecond

// Stats tell how long a process was held.
type Stats struct {
	Stops     int           // successful calls of Stop
	LastPause time.Duration // from the first thread asked to stop to the last one resumed
	MaxPause  time.Duration
	Total     time.Duration
	Signals   int // signals forwarded while threads ran or were being stopped
}

// A Session traces all threads of one process. Its methods may be called from
// any goroutine; they run one after the other on the session's thread.
type Session struct {
	id    procfs.ID
	calls chan func(*tracer)
	done  chan struct{} // closed when the tracer has ended
	mem   *Mem

	// Written before done is closed or Seize returns.
	own    *tracer
	tracer int   // thread id of the tracer
	final  error // why the session ended, nil after Detach
}

// Seize attaches to all threads of a process. They go on running.
//
// The error is a [*Refusal], or wraps [procfs.ErrGone]. A process that is
// stopped by job control stays so.
func Seize(ctx context.Context, pid int, opt Options) (*Session, error) {
	return seizeBy(ctx, pid, opt, func(t *tracer, s *Session) error {
		if err := t.open(s); err != nil {
			return err
		}
		return t.attach(ctx)
	})
}

// seizeBy is Seize with the way to attach, which opens the memory.
func seizeBy(ctx context.Context, pid int, opt Options, attach func(*tracer, *Session) error) (*Session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if opt.StopTimeout == 0 {
		opt.StopTimeout = defaultStopTimeout
	}
	id, err := procfs.Identify(pid)
	if err != nil {
		return nil, err
	}
	if err := inspect(pid); err != nil {
		return nil, err
	}
	if err := foreseeThreads(pid); err != nil {
		return nil, err
	}
	s := &Session{id: id, calls: make(chan func(*tracer)), done: make(chan struct{})}
	t := &tracer{
		id: id, opt: opt,
		threads: make(map[int]*thread),
		sigchld: make(chan os.Signal, 1),
	}
	started := make(chan error)
	onOwnThread(func() {
		defer close(s.done)
		// Sleep for what is asked, not for up to 50 us more. The thread is
		// never used for anything else.
		unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
		t.tid = unix.Gettid()
		s.tracer, s.own = t.tid, t
		t.ordinary()
		err := attach(t, s)
		if err == nil {
			err = t.findGadgets(ctx) // what a system call will need
		}
		started <- err
		if err == nil {
			t.serve(s.calls)
		}
		t.detachStopped()
		s.final = t.err
	})
	if err := <-started; err != nil {
		<-s.done
		s.awaitRelease()
		if s.mem != nil {
			s.mem.close()
		}
		return nil, err
	}
	return s, nil
}

// open opens the memory that the process has now.
func (t *tracer) open(s *Session) error {
	m, err := openMem(s)
	if err != nil {
		return permissionError(t.id.PID, 0, err)
	}
	s.mem, t.mem = m, m
	return nil
}

// onOwnThread runs f on an OS thread that ends with it. Ending matters: it is
// how the kernel learns that the tracer is gone. The main thread can't end, so
// that it is kept busy until another one runs f.
func onOwnThread(f func()) {
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() != unix.Getpid() {
			f()
			return // without UnlockOSThread, on purpose
		}
		locked := make(chan struct{})
		go func() {
			runtime.LockOSThread()
			close(locked)
			f()
		}()
		<-locked
		runtime.UnlockOSThread()
	}()
}

// serve carries out calls, and forwards signals while the threads run.
// The kernel announces events by SIGCHLD; the ticker is for programs in which
// that signal is blocked or handled by others.
func (t *tracer) serve(calls <-chan func(*tracer)) {
	signal.Notify(t.sigchld, unix.SIGCHLD)
	defer signal.Stop(t.sigchld)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !t.closed && t.err == nil {
		select {
		case f := <-calls:
			f(t)
		case <-t.sigchld:
			t.pump()
		case <-tick.C:
			t.pump()
		}
	}
}

// Within runs f on the session's thread, on which what f calls of the session, but for
// Detach, needs no other thread to be woken: a stop that begins and ends in f is shorter. No
// event of the process is handled meanwhile, so that f has to be brief.
func (s *Session) Within(f func() error) error {
	return s.do(func(*tracer) error { return f() })
}

// do runs f on the tracer's thread.
func (s *Session) do(f func(*tracer) error) error {
	if unix.Gettid() == s.tracer { // nobody else is on that thread: this is Within
		if err := s.own.usable(); err != nil {
			return err
		}
		return f(s.own)
	}
	result := make(chan error, 1)
	select {
	case s.calls <- func(t *tracer) { result <- f(t) }:
		return <-result
	case <-s.done:
		if s.final != nil {
			return s.final
		}
		return ErrClosed
	}
}

// ID returns the identity of the process.
func (s *Session) ID() procfs.ID { return s.id }

// Stats returns how long the process was held so far.
func (s *Session) Stats() (st Stats) {
	s.do(func(t *tracer) error { st = t.stats; return nil })
	return st
}

// Stop stops all threads, including those that are being created. It does
// nothing when they are stopped.
//
// On error all threads run: a [*TimeoutError] names those that did not stop; a
// [*Refusal] a process that can't be held, e.g. because it executed another
// program; [procfs.ErrGone] says that it has ended.
func (s *Session) Stop(ctx context.Context) error {
	return s.do(func(t *tracer) error { return t.stop(ctx) })
}

// Resume lets all threads run on, but for those that job control has stopped.
// It does nothing when they run.
func (s *Session) Resume() error {
	return s.do(func(t *tracer) error { return t.resume() })
}

// Detach ends the session. The threads run on, but for those that job control
// has stopped. It may be called more than once.
func (s *Session) Detach() error {
	s.do(func(t *tracer) error {
		t.closed = true
		return nil
	})
	<-s.done
	s.awaitRelease()
	return s.mem.close()
}

// awaitRelease waits until the kernel has ended the tracer's thread, which
// detaches the threads that ran. That takes microseconds.
func (s *Session) awaitRelease() {
	for wait := 20 * time.Microsecond; wait < time.Second; wait *= 2 {
		st, err := procfs.ReadStatus(s.id.PID)
		if err != nil || st.TracerPid != s.tracer {
			return
		}
		time.Sleep(wait)
	}
}
