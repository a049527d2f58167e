//go:build linux && amd64

package ptrace

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/procfs"
)

// roleVar makes the test binary play another part than running tests.
const roleVar = "GOSPLICE_PTRACE_ROLE"

var roles = map[string]func(args []string) error{
	"cycle":    roleCycle,
	"govictim": roleGoVictim,
}

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVar); role != "" {
		f := strings.Fields(role)
		if err := roles[f[0]](f[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// helper returns a command that runs this binary in a role.
func helper(role string, args ...any) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVar+"="+role+" "+strings.TrimSpace(fmt.Sprintln(args...)))
	cmd.Stderr = os.Stderr
	return cmd
}

// A victim is a process that notices when it is disturbed.
type victim struct {
	t    testing.TB
	pid  int
	in   io.Closer
	out  *bufio.Reader
	term bool // ends by SIGTERM instead of the end of its input
	cmd  *exec.Cmd
}

// compile builds testdata/victim.c once.
var compile = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "ptrace-victim")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "victim")
	out, err := exec.Command("gcc", "-O2", "-w", "-pthread", "-o", bin, "testdata/victim.c", "testdata/regs.S").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("gcc: %w\n%s", err, out)
	}
	return bin, err
})

// startVictim starts the C program with some jobs.
func startVictim(t testing.TB, jobs ...string) *victim {
	t.Helper()
	testenv.Need(t, "gcc")
	bin, err := compile()
	if err != nil {
		t.Fatal(err)
	}
	v := start(t, exec.Command(bin, jobs...))
	v.term = jobs[len(jobs)-1] != "input"
	return v
}

// start starts a command that prints "up" when it is.
func start(t testing.TB, cmd *exec.Cmd) *victim {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	v := &victim{t: t, pid: cmd.Process.Pid, in: in, out: bufio.NewReader(out), cmd: cmd}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	if line, err := v.out.ReadString('\n'); line != "up\n" {
		t.Fatalf("victim says %q, %v", line, err)
	}
	return v
}

// finish ends the victim and returns its last words, which must be good.
func (v *victim) finish() string {
	v.t.Helper()
	v.in.Close()
	said := make(chan string, 1)
	go func() {
		line, _ := v.out.ReadString('\n')
		said <- line
	}()
	line := ""
	for tries := 0; line == "" && tries < 200; tries++ {
		// The one thread may be about to wait for something else.
		if v.term {
			unix.Kill(v.pid, unix.SIGTERM)
		}
		select {
		case line = <-said:
		case <-time.After(50 * time.Millisecond):
		}
	}
	if line == "" {
		unix.Kill(v.pid, unix.SIGKILL) // it may be stopped
	}
	err := v.cmd.Wait()
	if err != nil || !strings.HasPrefix(line, "ok") {
		v.t.Fatalf("victim was disturbed: %v, %q", err, line)
	}
	return strings.TrimSpace(line)
}

// alive fails the test when the victim has ended.
func (v *victim) alive(when string) {
	v.t.Helper()
	st, err := procfs.ReadStat(v.pid)
	if err != nil || st.IsDead() {
		line, _ := v.out.ReadString('\n')
		v.t.Fatalf("victim died %s: %q", when, line)
	}
}

// The jobs of a victim with many threads.
var allJobs = []string{"regs", "regs", "sum", "sleep", "poll", "ping", "pong", "tick", "tock", "epoll", "signal", "suspend", "wake", "spawn", "modes", "input"}

func seizeT(t testing.TB, pid int, opt Options) *Session {
	t.Helper()
	if opt.StopTimeout == 0 {
		opt.StopTimeout = 10 * time.Second // the machine may be busy
	}
	s, err := Seize(context.Background(), pid, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Detach() })
	return s
}

// roleCycle traces a process until it is killed: stop, map, unmap, resume. With
// a step it kills itself there, in the call with the given number.
func roleCycle(args []string) error {
	pid, _ := strconv.Atoi(args[0])
	opt := Options{StopTimeout: 10 * time.Second}
	if len(args) > 1 {
		nth, _ := strconv.Atoi(args[2])
		opt.step = func(name string) {
			if name != args[1] {
				return
			}
			if nth--; nth < 0 {
				unix.Kill(unix.Getpid(), unix.SIGKILL)
				select {}
			}
		}
	}
	ctx := context.Background()
	s, err := Seize(ctx, pid, opt)
	if err != nil {
		return err
	}
	fmt.Println("up")
	for {
		if err := cycle(ctx, s); err != nil && !errors.Is(err, NoThread) {
			return err
		}
		time.Sleep(time.Duration(rand.IntN(300)) * time.Microsecond)
	}
}

// cycle stops the process, maps memory near its code, uses and unmaps it.
func cycle(ctx context.Context, s *Session) error {
	var timeout *TimeoutError
	if err := s.Stop(ctx); errors.As(err, &timeout) {
		return nil
	} else if err != nil {
		return err
	}
	defer s.Resume()
	space, err := ReadSpace(s.ID().PID)
	if err != nil {
		return err
	}
	const size = 64 << 10
	near := space.Maps[0].Start
	addr, err := space.Free(near, size, 1<<31)
	if err != nil {
		return err
	}
	if err := s.Mmap(ctx, addr, size, unix.PROT_READ|unix.PROT_EXEC); err != nil {
		return err
	}
	code := []byte("written through the protection")
	if _, err := s.Mem().WriteAddr(code, addr+100); err != nil {
		return err
	}
	got := make([]byte, len(code))
	if _, err := s.Mem().ReadAddr(got, addr+100); err != nil || string(got) != string(code) {
		return fmt.Errorf("read %q, %w", got, err)
	}
	return s.Munmap(ctx, addr, size)
}
