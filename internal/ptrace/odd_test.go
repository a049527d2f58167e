//go:build linux && amd64

package ptrace

import (
	"context"
	"errors"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gosplice/gosplice/internal/procfs"
)

// includes start all odd programs.
const includes = `
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <pthread.h>
#include <signal.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/seccomp.h>
#include <linux/filter.h>
static void up(void) { puts("up"); fflush(stdout); }
static void end(void) { char c; while (read(0, &c, 1) > 0) ; puts("ok"); fflush(stdout); _exit(0); }
`

func startOdd(t *testing.T, source string, args ...string) *victim {
	t.Helper()
	return start(t, exec.Command(compileC(t, includes+source), args...))
}

// TestZombieLeader traces a process whose main thread has exited.
func TestZombieLeader(t *testing.T) {
	v := startOdd(t, `
static void *other(void *a) { usleep(20000); up(); end(); }
int main() { pthread_t t; pthread_create(&t, 0, other, 0); pthread_exit(0); }`)
	ctx := context.Background()
	for deadline := time.Now().Add(10 * time.Second); state(t, v.pid) != 'Z'; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("main thread is in state %c", state(t, v.pid))
		}
	}
	s := seizeT(t, v.pid, Options{})
	for range 3 {
		if err := s.Stop(ctx); err != nil {
			t.Fatal(err)
		}
		threads, err := s.Threads()
		if err != nil || len(threads) != 1 || threads[0].TID == v.pid {
			t.Fatalf("threads %v, %v", threads, err)
		}
		if pid, err := s.Syscall(ctx, unix.SYS_GETPID); pid != uint64(v.pid) || err != nil {
			t.Errorf("getpid = %d, %v", pid, err)
		}
		s.Resume()
	}
	s.Detach()
	v.finish()
}

// TestLeaderExits traces a process whose main thread exits meanwhile.
func TestLeaderExits(t *testing.T) {
	v := startOdd(t, `
static void *other(void *a) { end(); }
int main() { pthread_t t; pthread_create(&t, 0, other, 0); up(); usleep(100000); pthread_exit(0); }`)
	ctx := context.Background()
	s := seizeT(t, v.pid, Options{})
	eventually(t, "main thread has ended", func() bool {
		if err := s.Stop(ctx); err != nil {
			t.Fatal(err)
		}
		threads, _ := s.Threads()
		s.Resume()
		return len(threads) == 1
	})
	s.Detach()
	v.finish()
}

// TestVfork names the thread that waits for its vfork child.
func TestVfork(t *testing.T) {
	v := startOdd(t, `
static void *other(void *a) { end(); }
int main() { pthread_t t; pthread_create(&t, 0, other, 0);
	if (vfork() == 0) { write(1, "up\n", 3); usleep(700000); _exit(0); }
	for (;;) pause(); }`)
	ctx := context.Background()
	s := seizeT(t, v.pid, Options{StopTimeout: 50 * time.Millisecond})
	err := s.Stop(ctx)
	var timeout *TimeoutError
	if !errors.As(err, &timeout) || len(timeout.Stuck) != 1 || timeout.Stuck[0].TID != v.pid {
		t.Fatalf("Stop: %v", err)
	}
	if p := s.Stats().LastPause; p < 50*time.Millisecond || p > 200*time.Millisecond {
		t.Errorf("held for %v", p)
	}
	t.Log(err)
	short, cancel := context.WithTimeout(ctx, 5*time.Millisecond)
	defer cancel()
	if err := s.Stop(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Stop: %v", err)
	}
	eventually(t, "the child has ended", func() bool { return s.Stop(ctx) == nil })
	s.Detach()
	v.finish()
}

// TestExec ends the session when the process executes another program.
func TestExec(t *testing.T) {
	v := startOdd(t, `
static char **args;
static void *other(void *a) { char c; read(0, &c, 1); execv("/proc/self/exe", args); return 0; }
int main(int n, char **v) { pthread_t t; if (n > 1) end();
	char *list[] = {v[0], "again", 0}; args = list;
	pthread_create(&t, 0, other, 0); up(); for (;;) pause(); }`)
	ctx := context.Background()
	s := seizeT(t, v.pid, Options{})
	if err := s.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	s.Resume()
	in := v.in.(interface{ Write([]byte) (int, error) })
	in.Write([]byte("x"))
	var err error
	eventually(t, "executed", func() bool {
		if err = s.Stop(ctx); err == nil {
			s.Resume()
		}
		return err != nil
	})
	wantCode(t, err, Exec)
	s.Detach()
	v.finish()
}

// TestChildren lets the children of a traced process alone: those made by fork,
// and those by clone without a signal, to which the kernel attaches us.
func TestChildren(t *testing.T) {
	v := startOdd(t, `
static char stack[65536] __attribute__((aligned(16)));
static int child(void *a) { usleep(1000); return 7; }
static void *spawn(void *a) { for (;;) {
	int st, p = clone(child, stack + sizeof stack, 0, 0);
	if (waitpid(p, &st, __WALL) != p || WEXITSTATUS(st) != 7) { puts("BAD clone"); fflush(stdout); _exit(3); }
	if ((p = fork()) == 0) _exit(8);
	if (waitpid(p, &st, 0) != p || WEXITSTATUS(st) != 8) { puts("BAD fork"); fflush(stdout); _exit(3); }
	usleep(100);
} }
int main() { pthread_t t; pthread_create(&t, 0, spawn, 0); up(); end(); }`)
	ctx := context.Background()
	s := seizeT(t, v.pid, Options{})
	for range 50 {
		if err := s.Stop(ctx); err != nil {
			t.Fatal(err)
		}
		if threads, err := s.Threads(); err != nil || len(threads) != 2 {
			t.Fatalf("%d threads, %v", len(threads), err)
		}
		s.Resume()
		time.Sleep(time.Millisecond)
	}
	s.Detach()
	v.finish()
}

// TestNotAStack refuses threads whose stack pointer is where something else may
// lie below it.
func TestNotAStack(t *testing.T) {
	for _, c := range []struct{ name, source string }{
		{"heap", `
int main() { char *m = malloc(1 << 20); up();
	__asm__("mov %0, %%rsp; 1: mov $34, %%eax; syscall; jmp 1b" :: "r"(m + (1 << 19))); }`},
		{"alternate stack on the stack", `
static void h(int s) { up(); for (;;) pause(); }
int main() { char alt[65536]; stack_t ss = {.ss_sp = alt, .ss_size = sizeof alt};
	struct sigaction sa = {.sa_handler = h, .sa_flags = SA_ONSTACK};
	sigaltstack(&ss, 0); sigaction(SIGUSR1, &sa, 0); raise(SIGUSR1); }`},
		{"code", `
int main() { up(); __asm__("lea main(%rip), %rsp; 1: jmp 1b"); }`},
		{"restartable sequence", `
struct { unsigned version, flags; unsigned long start, len, abort; } cs __attribute__((aligned(32)));
struct { unsigned a, b; unsigned long cs; unsigned f[4]; } area __attribute__((aligned(32)));
int main() {
	extern char s0, s1, s2;
	cs.start = (long)&s0; cs.len = &s1 - &s0; cs.abort = (long)&s2;
	if (syscall(SYS_rseq, &area, sizeof area, 0, 0x53053053)) { puts("no rseq"); return 0; }
	up();
	__asm__ volatile("jmp 2f; .long 0x53053053; s2: \n2: lea cs(%%rip), %%rax; mov %%rax, 8+area(%%rip)\n s0: 1: jmp 1b\n s1: nop" ::: "rax", "memory");
	end(); }`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var v *victim
			if c.name == "restartable sequence" {
				cmd := exec.Command(compileC(t, includes+c.source))
				cmd.Env = []string{"GLIBC_TUNABLES=glibc.pthread.rseq=0"}
				v = start(t, cmd)
			} else {
				v = startOdd(t, c.source)
			}
			ctx := context.Background()
			s := seizeT(t, v.pid, Options{})
			var err error
			eventually(t, "there", func() bool { // "up" is said before
				if err := s.Stop(ctx); err != nil {
					t.Fatal(err)
				}
				_, err = s.Syscall(ctx, unix.SYS_GETPID)
				s.Resume()
				return err != nil
			})
			t.Log(wantCode(t, err, NoThread))
		})
	}
}

// TestPoke writes code when /proc/PID/mem won't.
func TestPoke(t *testing.T) {
	v := startVictim(t, "sleep", "input")
	s := seizeT(t, v.pid, Options{})
	ctx := context.Background()
	if err := s.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	maps, err := procfs.Maps(v.pid)
	if err != nil {
		t.Fatal(err)
	}
	for i := range maps {
		m := &maps[i]
		if m.Perm != procfs.Read|procfs.Exec || m.Inode == 0 {
			continue
		}
		for _, c := range []struct{ off, n uint64 }{{0, 1}, {3, 4}, {5, 8}, {8, 8}, {1, 30}, {m.Len() - 3, 3}} {
			want := make([]byte, c.n)
			if _, err := s.mem.ReadAddr(want, m.Start+c.off); err != nil {
				t.Fatal(err)
			}
			old := string(want)
			for i := range want {
				want[i] ^= 0x5a
			}
			if err := s.do(func(t *tracer) error { return pokeBytes(t.anyStopped().tid, m.Start+c.off, want) }); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, c.n)
			if _, err := s.mem.ReadAddr(got, m.Start+c.off); err != nil || string(got) != string(want) {
				t.Errorf("%d bytes at %v+%d: got %x, want %x, %v", c.n, m, c.off, got, want, err)
			}
			if _, err := s.mem.WriteAddr([]byte(old), m.Start+c.off); err != nil {
				t.Fatal(err)
			}
		}
		break
	}
	var addr *procfs.AddrError
	if _, err := s.mem.WriteAddr([]byte{1, 2}, 0x1000); !errors.As(err, &addr) || addr.Addr != 0x1000 {
		t.Errorf("write to nowhere: %v", err)
	}
	s.Detach()
	v.finish()
}
