//go:build linux && amd64

package process

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/splice"
)

func init() {
	roles["once"] = roleOnce
	roles["killed"] = roleKilled
}

// roleOnce applies an update, or reverts what is applied: MODE PID FILE.
func roleOnce(args []string) error {
	pid, _ := strconv.Atoi(args[1])
	if args[0] == "revert" {
		_, err := Revert(context.Background(), pid, "", Options{})
		return err
	}
	f, err := os.Open(args[2])
	if err != nil {
		return err
	}
	u, err := splice.ReadUpdate(f)
	if err != nil {
		return err
	}
	_, err = Apply(context.Background(), pid, u, Options{})
	return err
}

// changing are the calls that may change the process, or end the tool. Between two
// of them it is the same at every instant.
var changing = map[uint64]string{
	unix.SYS_PWRITE64: "pwrite64", unix.SYS_IOCTL: "ioctl", unix.SYS_PIDFD_GETFD: "pidfd_getfd", unix.SYS_EXIT_GROUP: "exit_group",
	unix.SYS_PROCESS_VM_WRITEV: "process_vm_writev", unix.SYS_WRITE: "write", unix.SYS_WAIT4: "wait4",
}

// looking are the requests of ptrace(2) that only look.
var looking = map[uint64]bool{
	unix.PTRACE_GETREGS: true, unix.PTRACE_GETREGSET: true, unix.PTRACE_PEEKTEXT: true, unix.PTRACE_PEEKDATA: true, unix.PTRACE_PEEKUSR: true,
	unix.PTRACE_GETSIGMASK: true, unix.PTRACE_GETSIGINFO: true, unix.PTRACE_GETEVENTMSG: true, unix.PTRACE_SECCOMP_GET_FILTER: true,
}

// roleKilled runs another role under ptrace and kills it when it is about to make
// the Nth of the calls that change a process since it attached to one: N ROLE... It says which that
// was, or "done" when there were fewer.
func roleKilled(args []string) error {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	runtime.LockOSThread()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, roleVar) }), roleVar+"="+strings.Join(args[1:], " "))
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	pid := cmd.Process.Pid
	var ws unix.WaitStatus
	if _, err := unix.Wait4(pid, &ws, 0, nil); err != nil {
		return err
	}
	if err := unix.PtraceSetOptions(pid, unix.PTRACE_O_TRACESYSGOOD|unix.PTRACE_O_TRACECLONE|unix.PTRACE_O_EXITKILL); err != nil {
		return err
	}
	k := &killer{n: n, pid: pid, inside: map[int]bool{}}
	return k.follow()
}

// killer follows the threads of a tool from system call to system call.
type killer struct {
	n, pid   int
	attached bool
	inside   map[int]bool // threads in a system call
}

func (k *killer) follow() error {
	if err := unix.PtraceSyscall(k.pid, 0); err != nil {
		return err
	}
	for {
		var ws unix.WaitStatus
		tid, err := unix.Wait4(-1, &ws, unix.WALL, nil)
		if err != nil {
			return err
		}
		if ws.Exited() || ws.Signaled() {
			if tid == k.pid {
				fmt.Println("done", ws.ExitStatus())
				return nil
			}
			continue
		}
		sig := 0
		switch s := ws.StopSignal(); {
		case s == unix.SIGTRAP|0x80:
			if name := k.call(tid); name != "" {
				fmt.Println(name)
				err := unix.Kill(k.pid, unix.SIGKILL)
				for tid != k.pid || !ws.Signaled() {
					if tid, err = unix.Wait4(-1, &ws, unix.WALL, nil); err != nil {
						return err
					}
				}
				return err
			}
		case s != unix.SIGTRAP && s != unix.SIGSTOP:
			sig = int(s)
		}
		if err := unix.PtraceSyscall(tid, sig); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
}

// call looks at a thread that stopped at a system call. It returns the name of the
// call before which the tool is to die.
func (k *killer) call(tid int) string {
	if k.inside[tid] = !k.inside[tid]; !k.inside[tid] {
		return ""
	}
	var regs unix.PtraceRegs
	if unix.PtraceGetRegs(tid, &regs) != nil {
		return ""
	}
	nr := regs.Orig_rax
	k.attached = k.attached || nr == unix.SYS_PTRACE && regs.Rdi == unix.PTRACE_SEIZE
	name := changing[nr]
	if nr == unix.SYS_PTRACE && !looking[regs.Rdi] {
		name = fmt.Sprintf("ptrace %#x", regs.Rdi)
	}
	if !k.attached || name == "" {
		return ""
	}
	if k.n--; k.n > 0 {
		return ""
	}
	return name
}

// killedCases are updates of which every step is looked at.
var killedCases = []struct {
	name     string
	make     func(t *testing.T) (*victim, *splice.Update)
	old, new string
}{
	{"three functions", func(t *testing.T) (*victim, *splice.Update) {
		b := program(t, configNamed("O2-pie"), "pair")
		v := start(t, b.program, "3")
		return v, v.update(b)
	}, "1:old 0 0", "1:new 0 0"},
	{"padding", func(t *testing.T) (*victim, *splice.Update) {
		b := hotProgram(t, "gcc", 3)
		v := start(t, b.program, "3")
		return v, v.update(b)
	}, hotOld, hotNew},
	{"padding, one function", func(t *testing.T) (*victim, *splice.Update) {
		b := hotProgram(t, "gcc-cf-stripped", 1)
		v := start(t, b.program, "3")
		return v, v.update(b)
	}, hotOld, hotOne},
	{"exceptions", func(t *testing.T) (*victim, *splice.Update) {
		b := unwindProgram(t, 0)
		v := start(t, b.program)
		v.ask(3)
		return v, v.update(b)
	}, "1:303100|3:100100", "1:1503500|3:500500"},
}

// TestKilled kills the tool before each system call that changes something, from when
// it attaches: while it applies an update, and while it reverts one. The process goes
// on, entirely old or entirely new, and the next revert leaves it as it was.
func TestKilled(t *testing.T) {
	if !testenv.Asked(testenv.Kills) {
		t.Skipf("kills the tool a thousand times: asked for by %s=%s", testenv.Env, testenv.Kills)
	}
	for _, c := range killedCases {
		for _, mode := range []string{"apply", "revert"} {
			t.Run(c.name+", "+mode, func(t *testing.T) {
				v, u := c.make(t)
				v.expect("before", c.old)
				k := &killing{victim: v, update: u, old: c.old, new: c.new, file: saved(t, u), code: v.code(), layout: v.layout(), at: map[string]int{}}
				for n := 1; k.kill(mode, n); n++ {
				}
			})
		}
	}
}

// killing is a process whose tools are killed.
type killing struct {
	*victim
	update   *splice.Update
	old, new string
	file     string
	code     map[uint64]string
	layout   string
	at       map[string]int // calls before which they were
	isNew    int
	left     int
}

// kill kills a tool before its nth call. It is false when it made fewer.
func (k *killing) kill(mode string, n int) bool {
	t := k.t
	t.Helper()
	if mode == "revert" {
		k.apply(k.update)
	}
	out, err := helper("killed", n, "once", mode, k.pid, k.file).Output()
	said := strings.TrimSpace(string(out))
	if err != nil {
		t.Fatalf("call %d: %v: %s", n, err, said)
	}
	if st, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", k.pid)); err != nil {
		t.Fatalf("call %d, %s: the process is gone: %s, %v", n, said, st, err)
	}
	if runs := k.runs(); runs == "" {
		t.Fatalf("call %d, %s: neither old nor new: %s", n, said, k.ask(1))
	} else if runs == k.new {
		k.isNew++
	}
	k.clean(fmt.Sprintf("call %d, %s", n, said))
	if done, ok := strings.CutPrefix(said, "done"); ok {
		if strings.TrimSpace(done) != "0" {
			t.Errorf("the tool ended with %s", done)
		}
		t.Logf("%d calls, the process was new after %d; %d mappings stayed; %v", n-1, k.isNew, k.left, sums(k.at))
		return false
	}
	k.at[said]++
	return true
}

// runs returns which of the answers the process gives, "" when neither.
func (k *killing) runs() string {
	for _, want := range []string{k.old, k.new} {
		all := true
		for _, item := range strings.Split(want, "|") {
			ask, answer, _ := strings.Cut(item, ":")
			n, _ := strconv.Atoi(ask)
			all = all && k.ask(n) == answer
		}
		if all {
			return want
		}
	}
	return ""
}

// clean reverts what is left, and compares the process with what it was.
func (k *killing) clean(when string) {
	t := k.t
	t.Helper()
	for tries := 0; ; tries++ {
		_, err := Revert(context.Background(), k.pid, "", Options{})
		if errors.Is(err, splice.CodeNotApplied) {
			break
		}
		if err != nil || tries > 20 {
			t.Fatalf("%s: revert: %v", when, err)
		}
	}
	k.expect(when, k.old)
	for at, now := range k.victim.code() {
		if now != k.code[at] {
			t.Fatalf("%s: code at %#x differs", when, at)
		}
	}
	if now := k.victim.layout(); now != k.layout {
		k.left++
		t.Errorf("%s: mappings stay: %s", when, added(k.layout, now))
		k.layout = now
	}
}

func sums(m map[string]int) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		out = append(out, fmt.Sprintf("%s %d", name, m[name]))
	}
	return strings.Join(out, ", ")
}

// added returns the lines that are new.
func added(before, now string) string {
	old := strings.Split(before, "\n")
	return strings.Join(slices.DeleteFunc(strings.Split(now, "\n"), func(s string) bool { return slices.Contains(old, s) }), ", ")
}
