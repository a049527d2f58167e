//go:build linux && amd64

package machine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/process"
)

// roleVar makes the test binary follow an update instead of running tests: who follows must not
// execute what is followed.
const roleVar = "GOSPLICE_MACHINE_FOLLOW"

func TestMain(m *testing.M) {
	if args := os.Getenv(execVar); args != "" {
		fmt.Fprintln(os.Stderr, roleExec(strings.Fields(args)))
		os.Exit(1)
	}
	if role := os.Getenv(roleVar); role != "" {
		fmt.Fprintln(os.Stderr, roleFollow(strings.Fields(role)))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// execVar makes the test binary execute a command, in a thread that is not the first of several, as runc does.
const execVar = "GOSPLICE_MACHINE_EXEC"

func roleExec(args []string) error {
	failed := make(chan error)
	for range 3 {
		go func() { runtime.LockOSThread(); select {} }()
	}
	go func() {
		runtime.LockOSThread()
		for syscall.Gettid() == os.Getpid() {
			go func() { runtime.LockOSThread(); failed <- syscall.Exec(args[0], args, os.Environ()) }()
			select {}
		}
		failed <- syscall.Exec(args[0], args, os.Environ())
	}()
	return <-failed
}

// patience is how long a program is held in tests, where machines can be very busy.
const patience = 20 * time.Second

// roleFollow tells as JSON, a line for each.
func roleFollow(args []string) error {
	every, err := time.ParseDuration(args[0])
	if err != nil {
		return err
	}
	var updates []*splice.Update
	for _, name := range args[1:] {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		u, err := splice.ReadUpdate(f)
		if err != nil {
			return err
		}
		updates = append(updates, u)
	}
	out := json.NewEncoder(os.Stdout)
	return Follow(context.Background(), updates, FollowOptions{
		Options: Options{Process: process.Options{StopTimeout: patience, StartTimeout: patience}}, Hold: patience, // however busy the machine is
		Every: every, Tell: func(f Followed) { out.Encode(f) }, Ready: func(err error) { out.Encode(fmt.Sprint(err)) },
	})
}

// follow follows updates until the test ends, and returns what it tells.
func follow(t *testing.T, every time.Duration, updates ...*splice.Update) (told chan Followed, events string) {
	t.Helper()
	args := []string{every.String()}
	for i, u := range updates {
		file := filepath.Join(t.TempDir(), strconv.Itoa(i)+".update")
		var b bytes.Buffer
		if _, err := u.WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, file)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVar+"="+strings.Join(args, " "))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	told = make(chan Followed, 1000)
	ready := make(chan string, 1)
	go func() {
		for in := json.NewDecoder(out); ; {
			var line json.RawMessage
			if in.Decode(&line) != nil {
				close(told)
				return
			}
			var f Followed
			var why string
			if json.Unmarshal(line, &why) == nil {
				ready <- why
			} else if json.Unmarshal(line, &f) == nil {
				told <- f
			}
		}
	}()
	t.Cleanup(func() {
		cmd.Process.Kill() // those that it holds at the moment go on
		cmd.Wait()
	})
	select {
	case events = <-ready:
	case <-time.After(30 * time.Second):
		t.Fatal("it is not ready")
	}
	return told, events
}

// next waits for what is told of a process.
func next(t *testing.T, told chan Followed, pid int) Followed {
	t.Helper()
	for limit := time.After(20 * time.Second); ; {
		select {
		case f, ok := <-told:
			if !ok {
				t.Fatal("it follows no more")
			}
			if f.Process.PID == pid {
				return f
			}
		case <-limit:
			t.Fatalf("nothing is told of process %d", pid)
		}
	}
}

// TestFollow has processes that run before, that start later, that execute their program again, and
// that fork.
func TestFollow(t *testing.T) {
	testenv.NeedRoot(t)
	h := newHerd(t)
	before := h.start(t)
	u := h.update(t, before.cmd.Process.Pid)
	told, events := follow(t, time.Hour, u)
	if events != "<nil>" {
		testenv.Skip(t, "the kernel does not tell of programs that are executed: %s", events)
	}
	if f := next(t, told, before.cmd.Process.Pid); f.Process.Outcome != Applied || f.Early {
		t.Errorf("%+v", f)
	}
	before.expect("ran before", newValue)
	early := 0
	for range 5 {
		o := start(t, h.program, "1", h.program)
		f := next(t, told, o.cmd.Process.Pid)
		if f.Process.Outcome != Applied {
			t.Fatalf("%+v", f)
		}
		if f.Early {
			early++
			o.expect("started", newValue)
		}
	}
	if early != 5 {
		t.Errorf("%d of 5 were patched before their own code ran", early)
	}
	o := start(t, h.program, "1", h.program)
	next(t, told, o.cmd.Process.Pid)
	if _, err := o.in.Write([]byte("x\n")); err != nil { // it executes its program again
		t.Fatal(err)
	}
	if f := next(t, told, o.cmd.Process.Pid); f.Process.Outcome != Applied {
		t.Errorf("executed again: %+v", f)
	}
	o.expect("executed again", newValue)
}

// TestFollowBusy follows a program that is executed all the time, as sshd is for each connection: the first look at all
// does not wait until nobody new comes.
func TestFollowBusy(t *testing.T) {
	testenv.NeedRoot(t)
	h := newHerd(t)
	u := h.update(t, h.start(t).cmd.Process.Pid)
	for range 4 {
		cmd := exec.Command("sh", "-c", "while :; do sleep 0.1 | "+h.program+" >/dev/null; done")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			_ = cmd.Wait()
		})
	}
	told, events := follow(t, time.Hour, u)
	if events != "<nil>" {
		testenv.Skip(t, "the kernel does not tell of programs that are executed: %s", events)
	}
	o := start(t, h.program)
	if f := next(t, told, o.cmd.Process.Pid); f.Process.Outcome != Applied || !f.Early {
		t.Errorf("%+v", f)
	}
	o.expect("started", newValue)
}

// TestFollowSeveral follows two updates, of which the second is for a program that nobody has executed yet, is linked
// statically, and is executed by a thread that is not its process's first.
func TestFollowSeveral(t *testing.T) {
	testenv.NeedRoot(t)
	h := newHerd(t)
	u := h.update(t, h.start(t).cmd.Process.Pid)
	for _, how := range []string{"-no-pie", "-static", "-static-pie"} {
		t.Run(how, func(t *testing.T) {
			s := h.alone(t, how)
			first := s.start(t)
			second := s.update(t, first.cmd.Process.Pid)
			first.end()
			told, events := follow(t, time.Hour, u, second)
			if events != "<nil>" {
				testenv.Skip(t, "the kernel does not tell of programs that are executed: %s", events)
			}
			for range 3 {
				o := startBy(t, s.program)
				if f := next(t, told, o.cmd.Process.Pid); f.Process.Outcome != Applied || !f.Early {
					t.Errorf("%+v", f)
				}
				o.expect("started", newValue)
			}
		})
	}
}

// startBy starts a program by a thread that is not the first of its process.
func startBy(t *testing.T, program string) *one {
	t.Helper()
	t.Setenv(execVar, program)
	defer os.Unsetenv(execVar)
	return start(t, os.Args[0])
}

// TestFollowOverlay follows programs of overlay file systems that are mounted later, as those of containers are.
func TestFollowOverlay(t *testing.T) {
	testenv.NeedRoot(t)
	h := newHerd(t)
	u := h.update(t, h.start(t).cmd.Process.Pid)
	told, events := follow(t, time.Hour, u)
	if events != "<nil>" {
		testenv.Skip(t, "the kernel does not tell of programs that are executed: %s", events)
	}
	for range 5 {
		o := startBy(t, filepath.Join(overlaid(t, h.dir), "herd"))
		if f := next(t, told, o.cmd.Process.Pid); f.Process.Outcome != Applied || !f.Early {
			t.Errorf("%+v", f)
		}
		o.expect("started", newValue)
	}
}

// overlaid mounts an overlay over a folder elsewhere.
func overlaid(t *testing.T, lower string) string {
	t.Helper()
	dir := t.TempDir()
	at := filepath.Join(dir, "at")
	for _, name := range []string{"upper", "work", "at"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	err := syscall.Mount("overlay", at, "overlay", 0, fmt.Sprintf("lowerdir=%s,upperdir=%s/upper,workdir=%s/work", lower, dir, dir))
	if err != nil {
		testenv.Skip(t, "no overlay can be mounted: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(at, syscall.MNT_DETACH) })
	return at
}

// TestFollowScans finds processes without events.
func TestFollowScans(t *testing.T) {
	h := newHerd(t)
	u := h.update(t, h.start(t).cmd.Process.Pid)
	told, _ := follow(t, 20*time.Millisecond, u)
	o := start(t, h.program)
	if f := next(t, told, o.cmd.Process.Pid); f.Process.Outcome != Applied || !strings.Contains(f.Process.Command, "herd") {
		t.Errorf("%+v", f)
	}
	o.expect("followed", newValue)
}

// TestFollowNothing has nothing to follow.
func TestFollowNothing(t *testing.T) {
	if err := Follow(t.Context(), nil, FollowOptions{}); err == nil {
		t.Error("no update is followed")
	}
	if err := Follow(t.Context(), []*splice.Update{{Format: splice.UpdateFormat}}, FollowOptions{}); !errors.Is(err, splice.CodeNothing) {
		t.Error(err)
	}
}
