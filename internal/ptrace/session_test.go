//go:build linux && amd64

package ptrace

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/procfs"
)

// state returns the state letter of a thread.
func state(t testing.TB, pid int) byte {
	t.Helper()
	st, err := procfs.ReadStat(pid)
	if err != nil {
		t.Fatal(err)
	}
	return st.State
}

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func wantCode(t testing.TB, err error, code Code) *Refusal {
	t.Helper()
	var r *Refusal
	if !errors.As(err, &r) || r.Code != code || !errors.Is(err, code) {
		t.Fatalf("got %v, want a refusal of code %q", err, string(code))
	}
	return r
}

// TestStopResume stops a busy process many times; it must not notice.
func TestStopResume(t *testing.T) {
	v := startVictim(t, allJobs...)
	s := seizeT(t, v.pid, Options{})
	ctx := context.Background()
	rounds := 200
	if testing.Short() {
		rounds = 20
	}
	for range rounds {
		if err := s.Stop(ctx); err != nil {
			t.Fatal(err)
		}
		threads, err := s.Threads()
		if err != nil {
			t.Fatal(err)
		}
		if len(threads) < len(allJobs) {
			t.Fatalf("%d threads stopped, want at least %d", len(threads), len(allJobs))
		}
		for _, th := range threads {
			if st := state(t, th.TID); st != 't' {
				t.Fatalf("thread %d is in state %c", th.TID, st)
			}
		}
		if err := s.Resume(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(500 * time.Microsecond)
	}
	stats := s.Stats()
	if err := s.Detach(); err != nil {
		t.Fatal(err)
	}
	if st, err := procfs.ReadStatus(v.pid); err != nil || st.TracerPid != 0 {
		t.Errorf("still traced after Detach: %v, %v", st, err)
	}
	last := v.finish()
	if !strings.HasPrefix(last, "ok eintr=0 ") {
		t.Errorf("a system call was interrupted: %s", last)
	}
	t.Logf("%+v, mean pause %v", stats, stats.Total/time.Duration(stats.Stops))
}

// TestWithin stops, reads, writes, makes a call and resumes on the session's thread. That thread is
// scheduled like any other whenever the process runs.
func TestWithin(t *testing.T) {
	v := startVictim(t, allJobs...)
	s := seizeT(t, v.pid, Options{})
	policy := func(when string) {
		t.Helper()
		a, err := unix.SchedGetAttr(s.tracer, 0)
		if err != nil || a.Policy != unix.SCHED_NORMAL {
			t.Errorf("%s: %+v, %v", when, a, err)
		}
	}
	policy("seized")
	ctx := context.Background()
	for range 20 {
		err := s.Within(func() error {
			if err := s.Stop(ctx); err != nil {
				return err
			}
			defer s.Resume()
			list, err := s.Threads()
			if err != nil || len(list) == 0 {
				return fmt.Errorf("%d threads, %w", len(list), err)
			}
			at, b := list[0].Regs.Rip, make([]byte, 2)
			if _, err := s.Mem().ReadAddr(b, at); err != nil {
				return err
			}
			if _, err := s.Mem().WriteAddr(b, at); err != nil {
				return err
			}
			pid, err := s.Syscall(ctx, unix.SYS_GETPID)
			if err == nil && int(pid) != v.pid {
				err = fmt.Errorf("getpid says %d", pid)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		policy("resumed")
	}
	if st := s.Stats(); st.Stops != 20 {
		t.Errorf("%+v", st)
	}
	if err := s.Detach(); err != nil {
		t.Fatal(err)
	}
	if err := s.Within(func() error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("after Detach: %v", err)
	}
}

// TestCalls makes calls on a busy process, whose threads must not notice.
func TestCalls(t *testing.T) {
	for _, mode := range killModes {
		t.Run(mode.name, func(t *testing.T) {
			v := startVictim(t, mode.jobs...)
			s := seizeT(t, v.pid, Options{})
			ctx := context.Background()
			made := 0
			for range 60 {
				err := cycle(ctx, s)
				if err != nil && !errors.Is(err, NoThread) {
					t.Fatal(err)
				}
				if err == nil {
					made++
				}
				time.Sleep(200 * time.Microsecond)
			}
			if made < 50 {
				t.Errorf("only %d of 60 rounds were made", made)
			}
			if err := s.Stop(ctx); err != nil {
				t.Fatal(err)
			}
			if pid, err := s.Syscall(ctx, unix.SYS_GETPID); pid != uint64(v.pid) || err != nil {
				t.Errorf("getpid = %d, %v", pid, err)
			}
			if _, err := s.Syscall(ctx, unix.SYS_CLOSE, ^uint64(0)); err != unix.EBADF {
				t.Errorf("close(-1): %v", err)
			}
			t.Logf("%d rounds, max pause %v", made, s.Stats().MaxPause)
			s.Detach()
			if last := v.finish(); !strings.HasPrefix(last, "ok eintr=0 ") {
				t.Errorf("a system call was interrupted: %s", last)
			}
		})
	}
}

// TestJobControl leaves a stopped process stopped, and makes a call in it.
func TestJobControl(t *testing.T) {
	v := startVictim(t, "sleep", "ping", "pong", "input")
	unix.Kill(v.pid, unix.SIGSTOP)
	eventually(t, "stopped", func() bool { return state(t, v.pid) == 'T' })
	ctx := context.Background()

	s := seizeT(t, v.pid, Options{})
	for range 3 {
		if err := s.Stop(ctx); err != nil {
			t.Fatal(err)
		}
		threads, _ := s.Threads()
		for _, th := range threads {
			if !th.Group {
				t.Errorf("thread %d is not in a group stop", th.TID)
			}
		}
		if pid, err := s.Syscall(ctx, unix.SYS_GETPID); pid != uint64(v.pid) || err != nil {
			t.Errorf("getpid = %d, %v", pid, err)
		}
		if err := s.Resume(); err != nil {
			t.Fatal(err)
		}
	}
	s.Detach()
	eventually(t, "stopped again", func() bool { return state(t, v.pid) == 'T' })

	// Continued while it is traced, and stopped again.
	s = seizeT(t, v.pid, Options{})
	s.Stop(ctx)
	s.Resume()
	unix.Kill(v.pid, unix.SIGCONT)
	eventually(t, "continued", func() bool { st := state(t, v.pid); return st == 'S' || st == 'R' })
	unix.Kill(v.pid, unix.SIGSTOP)
	eventually(t, "stopped", func() bool { return strings.IndexByte("Tt", state(t, v.pid)) >= 0 })
	if err := s.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	unix.Kill(v.pid, unix.SIGCONT) // while we hold it
	s.Resume()
	eventually(t, "continued", func() bool { st := state(t, v.pid); return st == 'S' || st == 'R' })
	s.Detach()
	v.finish()
}

// TestSignalsWhileStopped queues signals for a process before, in and after its
// stops. Every one must arrive.
func TestSignalsWhileStopped(t *testing.T) {
	const sigrtmin = 34 // glibc's: the first two are its own
	v := startVictim(t, "ping", "pong", "input")
	s := seizeT(t, v.pid, Options{})
	ctx := context.Background()
	sent := 0
	send := func() {
		if err := unix.Kill(v.pid, sigrtmin); err != nil {
			t.Fatal(err)
		}
		sent++
	}
	for range 50 {
		send()
		if err := s.Stop(ctx); err != nil {
			t.Fatal(err)
		}
		send()
		if _, err := s.Syscall(ctx, unix.SYS_GETPID); err != nil && !errors.Is(err, NoThread) {
			t.Fatal(err)
		}
		send()
		if err := s.Resume(); err != nil {
			t.Fatal(err)
		}
		send()
	}
	s.Detach()
	time.Sleep(20 * time.Millisecond)
	last := v.finish()
	if want := fmt.Sprintf("ok eintr=0 signals=%d ", sent); !strings.HasPrefix(last, want) {
		t.Errorf("got %q, want %q", last, want)
	}
}

// TestGone kills a process in all situations.
func TestGone(t *testing.T) {
	ctx := context.Background()
	kill := func(v *victim) {
		unix.Kill(v.pid, unix.SIGKILL)
		eventually(t, "dead", func() bool { st, err := procfs.ReadStat(v.pid); return err != nil || st.IsDead() })
	}
	t.Run("running", func(t *testing.T) {
		v := startVictim(t, "sleep", "input")
		s := seizeT(t, v.pid, Options{})
		kill(v)
		if err := s.Stop(ctx); !errors.Is(err, procfs.ErrGone) {
			t.Errorf("Stop: %v", err)
		}
		if err := s.Resume(); !errors.Is(err, procfs.ErrGone) {
			t.Errorf("Resume: %v", err)
		}
	})
	t.Run("stopped", func(t *testing.T) {
		v := startVictim(t, "sleep", "input")
		s := seizeT(t, v.pid, Options{})
		if err := s.Stop(ctx); err != nil {
			t.Fatal(err)
		}
		kill(v)
		if _, err := s.Syscall(ctx, unix.SYS_GETPID); err == nil {
			t.Error("a dead process made a system call")
		}
		s.Resume()
		if err := s.Stop(ctx); !errors.Is(err, procfs.ErrGone) {
			t.Errorf("Stop: %v", err)
		}
		if _, err := s.Mem().ReadAddr(make([]byte, 1), 0x1000); err == nil {
			t.Error("a dead process has memory")
		}
	})
	t.Run("exits", func(t *testing.T) {
		v := startVictim(t, "sleep", "input")
		s := seizeT(t, v.pid, Options{})
		v.in.Close()
		var err error
		eventually(t, "gone", func() bool {
			if err = s.Stop(ctx); err == nil {
				err = s.Resume()
			}
			return err != nil
		})
		if !errors.Is(err, procfs.ErrGone) {
			t.Errorf("Stop: %v", err)
		}
		s.Detach()
		v.finish() // the exit status is still there for the parent
	})
	t.Run("before", func(t *testing.T) {
		v := startVictim(t, "sleep", "input")
		kill(v)
		eventually(t, "one thread left", func() bool { tids, _ := procfs.Tasks(v.pid); return len(tids) == 1 })
		_, err := Seize(ctx, v.pid, Options{})
		wantCode(t, err, Zombie)
		v.cmd.Wait()
		if _, err := Seize(ctx, v.pid, Options{}); !errors.Is(err, procfs.ErrGone) {
			t.Errorf("Seize: %v", err)
		}
	})
}

// TestTwice refuses a process that has a tracer, and names it.
func TestTwice(t *testing.T) {
	v := startVictim(t, "sleep", "input")
	s := seizeT(t, v.pid, Options{})
	_, err := Seize(context.Background(), v.pid, Options{})
	r := wantCode(t, err, Traced)
	if r.Tracer != s.tracer {
		t.Errorf("tracer %d, want %d", r.Tracer, s.tracer)
	}
	s.Detach()
	seizeT(t, v.pid, Options{})
}

func TestRefusals(t *testing.T) {
	ctx := context.Background()
	t.Run("kernel thread", func(t *testing.T) {
		st, err := procfs.ReadStat(2)
		if err != nil || !st.IsKthread() {
			testenv.Skip(t, "process 2 is not kthreadd here")
		}
		_, err = Seize(ctx, 2, Options{})
		wantCode(t, err, KernelThread)
	})
	t.Run("thread", func(t *testing.T) {
		v := startVictim(t, "sleep", "input")
		tids, err := procfs.Tasks(v.pid)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Seize(ctx, tids[1], Options{})
		if r := wantCode(t, err, NotLeader); r.PID != v.pid || r.TID != tids[1] {
			t.Errorf("%+v", r)
		}
	})
	t.Run("other user", func(t *testing.T) {
		testenv.NeedRoot(t)
		v := startVictim(t, "sleep", "input")
		dir := t.TempDir() // the test binary may be where others can't read
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		cmd := helper("cycle", v.pid)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		cmd.Path = copyBinary(t)
		cmd.Stderr = nil
		var out strings.Builder
		cmd.Stderr = &out
		cmd.Dir = "/"
		if err := cmd.Run(); err == nil || !strings.Contains(out.String(), "refused (permission)") {
			t.Errorf("%v: %s", err, out.String())
		}
	})
	t.Run("context", func(t *testing.T) {
		v := startVictim(t, "sleep", "input")
		done, cancel := context.WithCancel(ctx)
		s := seizeT(t, v.pid, Options{})
		cancel()
		if _, err := Seize(done, v.pid, Options{}); !errors.Is(err, context.Canceled) {
			t.Errorf("Seize: %v", err)
		}
		s.Stop(ctx)
		if _, err := s.Syscall(done, unix.SYS_GETPID); !errors.Is(err, context.Canceled) {
			t.Errorf("Syscall: %v", err)
		}
	})
	t.Run("ends before its memory is opened", func(t *testing.T) {
		v := startVictim(t, "sleep", "input")
		_, err := seizeBy(ctx, v.pid, Options{}, func(tr *tracer, s *Session) error {
			v.cmd.Process.Kill()
			v.cmd.Wait()
			return tr.open(s)
		})
		if !errors.Is(err, procfs.ErrGone) {
			t.Error(err)
		}
	})
	t.Run("closed", func(t *testing.T) {
		v := startVictim(t, "sleep", "input")
		s := seizeT(t, v.pid, Options{})
		if _, err := s.Threads(); err != ErrNotStopped {
			t.Errorf("Threads: %v", err)
		}
		if _, err := s.Syscall(ctx, unix.SYS_GETPID); err != ErrNotStopped {
			t.Errorf("Syscall: %v", err)
		}
		s.Detach()
		if err := s.Stop(ctx); err != ErrClosed {
			t.Errorf("Stop: %v", err)
		}
	})
}

func copyBinary(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.CreateTemp("", "ptrace-test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(f.Name()) })
	if _, err := f.Write(b); err != nil {
		t.Fatal(err)
	}
	f.Chmod(0o755)
	f.Close()
	return f.Name()
}

// compileC compiles a program and returns its path.
func compileC(t testing.TB, source string, flags ...string) string {
	t.Helper()
	testenv.Need(t, "gcc")
	bin := t.TempDir() + "/prog"
	cmd := exec.Command("gcc", append([]string{"-O1", "-w", "-pthread", "-x", "c", "-o", bin, "-"}, flags...)...)
	cmd.Stdin = strings.NewReader(source)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	return bin
}
