//go:build linux && amd64

package ptrace

import (
	"context"
	"errors"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/procfs"
)

// confine installs a filter: ONLY is a list of calls that pass, each as P(name);
// everything else gets the answer ELSE. Without ONLY the strict mode is entered.
const confine = `
#define P(name) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
#define KILL(name) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
#ifndef ELSE
#define ELSE SECCOMP_RET_KILL_PROCESS
#endif
static void confine(void) {
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
#ifdef ONLY
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		ONLY
		BPF_STMT(BPF_RET | BPF_K, ELSE),
	};
	struct sock_fprog p = {sizeof f / sizeof *f, f};
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p)) _exit(4);
#else
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT)) _exit(4);
#endif
}
static void said(const char *s) { write(1, s, 3); }
static void quit(void) { char c; while (read(0, &c, 1) > 0) ; said("ok\n"); syscall(SYS_exit, 0); }
`

const alone = `int main() { confine(); said("up\n"); quit(); }`

// sleeper is in waits that the kernel goes on with by restart_syscall, which its
// filter forbids.
const sleeper = `
#include <fcntl.h>
#include <errno.h>
#include <time.h>
int main() {
	char c;
	fcntl(0, F_SETFL, O_NONBLOCK);
	confine();
	said("up\n");
	for (;;) {
		struct timespec t = {0, 30000000};
		if (syscall(SYS_nanosleep, &t, 0)) said("eint");
		if (read(0, &c, 1) == 0) break;
	}
	quit();
}`

// seccompCases say what becomes of calls by threads with filters.
var seccompCases = []struct {
	name, only, rest string
	source           string
	want             Code // "" when the calls are made
}{
	{name: "mmap and munmap pass", only: "P(mmap) P(munmap) P(read) P(write) P(exit) P(rt_sigreturn)", source: alone},
	{name: "only what it needs", only: "P(read) P(write) P(exit) P(rt_sigreturn)", source: alone},
	{name: "mmap kills", only: "KILL(mmap)", rest: "SECCOMP_RET_ALLOW", source: alone},
	{name: "errors", only: "P(read) P(write) P(exit) P(rt_sigreturn)", rest: "SECCOMP_RET_ERRNO|1", source: alone},
	{name: "logs", only: "P(read)", rest: "SECCOMP_RET_LOG", source: alone},
	{name: "two filters", only: "KILL(munmap)", rest: "SECCOMP_RET_ALLOW", source: `int main() { confine(); confine(); said("up\n"); quit(); }`},
	{name: "strict", source: alone},
	{name: "sleeps", only: "P(nanosleep) P(read) P(write) P(exit) P(rt_sigreturn)", source: sleeper},
	{name: "sleeps, and mmap passes", only: "P(mmap) P(munmap) P(nanosleep) P(read) P(write) P(exit) P(rt_sigreturn)", source: sleeper},
	{name: "no way back", only: "P(read) P(write) P(exit)", source: alone, want: Seccomp},
	{name: "another thread", only: "P(read) P(write) P(exit)", source: `
static void *other(void *a) { for (;;) pause(); }
int main() { pthread_t t; pthread_create(&t, 0, other, 0); usleep(10000); confine(); said("up\n"); char c; while (read(0, &c, 1) > 0) ; said("ok\n"); kill(getpid(), SIGKILL); }`},
}

// confined starts the program of a case.
func confined(t *testing.T, i int) *victim {
	c := &seccompCases[i]
	flags := ""
	if c.only != "" {
		flags += "#define ONLY " + c.only + "\n"
	}
	if c.rest != "" {
		flags += "#define ELSE " + c.rest + "\n"
	}
	return start(t, exec.Command(compileC(t, includes+flags+confine+c.source)))
}

// TestSeccomp makes calls by threads whose filters let them pass, or would kill
// the process for them, and kills the tracer at every step.
func TestSeccomp(t *testing.T) {
	testenv.Serial(t)
	testenv.NeedRoot(t)
	if st, err := procfs.ReadStatus(unix.Getpid()); err != nil || st.Seccomp != procfs.SeccompDisabled {
		testenv.Skip(t, "needs to run without seccomp filters: %v", err)
	}
	for i, c := range seccompCases {
		t.Run(c.name, func(t *testing.T) {
			v := confined(t, i)
			ctx := context.Background()
			s := seizeT(t, v.pid, Options{})
			for range 3 {
				err := cycle(ctx, s)
				var r *Refusal
				if c.want == "" && err != nil || c.want != "" && (!errors.As(err, &r) || r.Code != c.want || r.Hint == "") {
					t.Fatalf("%v, want %q", err, c.want)
				}
				v.alive("after calls")
			}
			s.Detach()
			if c.want == "" && c.name != "another thread" {
				killAtSteps(t, v)
			}
			if c.name != "another thread" {
				v.finish()
			}
		})
	}
}

// killAtSteps kills tracers of a victim at each step of their first two calls.
func killAtSteps(t *testing.T, v *victim) {
	t.Helper()
	for _, step := range []string{stepFrame, stepCommitted, stepMasked, stepEntered, stepLeft, stepStopped, stepUnmasked, stepRestored} {
		for nth := range 2 {
			runCycle(t, v.pid, -1, step, nth)
			time.Sleep(2 * time.Millisecond)
			v.alive("after step " + step)
		}
	}
}

// TestSeccompUnprivileged refuses filters that can't be read, and says what helps.
func TestSeccompUnprivileged(t *testing.T) {
	testenv.NeedRoot(t)
	v := confined(t, 0)
	s := seizeT(t, v.pid, Options{})
	if err := s.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	var why *reason
	err := s.do(func(tr *tracer) error { // on a thread that ends with the session
		if err := dropAdmin(); err != nil {
			return err
		}
		_, why = tr.consents(tr.threads[v.pid], procfs.SeccompFilter, &sysCall{nr: unix.SYS_MMAP, way: &way{}})
		return nil
	})
	if err != nil || why == nil || why.code != Seccomp || why.hint != hintPrivilege {
		t.Errorf("%+v, %v", why, err)
	}
	s.Detach()
	v.finish()
}

// dropAdmin takes CAP_SYS_ADMIN from this OS thread.
func dropAdmin() error {
	h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var d [2]unix.CapUserData
	if err := unix.Capget(&h, &d[0]); err != nil {
		return err
	}
	d[0].Effective &^= 1 << unix.CAP_SYS_ADMIN
	return unix.Capset(&h, &d[0])
}
