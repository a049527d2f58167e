//go:build linux && amd64

package process

import (
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/procfs"
	"github.com/gosplice/gosplice/splice"
)

// odd starts testdata/odd.c and makes the update of its function slow.
func odd(t *testing.T, c config, args ...string) (*victim, built, *splice.Update) {
	t.Helper()
	b := program(t, c, "odd")
	v := start(t, b.program, append(args, "2")[0])
	v.expect("before", "7:107")
	return v, b, v.update(b)
}

// poke writes to the memory of the victim.
func (v *victim) poke(addr uint64, b []byte) {
	v.t.Helper()
	mem, err := procfs.OpenMem(v.pid, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	defer mem.Close()
	if _, err := mem.WriteAddr(b, addr); err != nil {
		v.t.Fatal(err)
	}
}

// TestForeign has someone else change a redirected function.
func TestForeign(t *testing.T) {
	v, _, u := odd(t, configNamed("O2-pie"), "0")
	r := v.apply(u)
	at := r.Redirects[0].Address
	mem, err := procfs.OpenMem(v.pid, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	ours := make([]byte, 5)
	if _, err := mem.ReadAddr(ours, at); err != nil {
		t.Fatal(err)
	}
	v.poke(at, []byte{0xe9, 1, 2, 3, 4})
	code, layout := v.code(), v.layout()
	_, err = Revert(context.Background(), v.pid, "", Options{})
	checkRefusal(t, err, splice.CodeRedirected)
	if st, err := Status(context.Background(), v.pid); err != nil || len(st) != 1 || st[0].State != Foreign {
		t.Errorf("status %+v, %v", st, err)
	}
	if v.layout() != layout || !maps.Equal(code, v.code()) {
		t.Error("the refusal changed something")
	}
	v.poke(at, ours)
	v.revert()
	v.expect("reverted", "7:107")
}

// TestTwice applies updates to functions that are redirected already.
func TestTwice(t *testing.T) {
	v, b, u := odd(t, configNamed("O2-cf"))
	v.apply(u)
	_, err := Apply(context.Background(), v.pid, u, Options{})
	checkRefusal(t, err, splice.CodeApplied)
	other := *u
	other.Name = "other"
	_, err = Apply(context.Background(), v.pid, &other, Options{})
	checkRefusal(t, err, splice.CodeRedirected)
	if _, err := updateFor(v.pid, b.pre, b.post); !errors.Is(err, splice.ErrRefused) {
		t.Errorf("built for a redirected function: %v", err)
	}
	v.expect("after", "7:207")
	if _, err := Revert(context.Background(), v.pid, "0123456789", Options{}); err == nil {
		t.Error("reverted an update that is not there")
	} else {
		checkRefusal(t, err, splice.CodeNotApplied)
	}
	r, err := Revert(context.Background(), v.pid, u.ID()[:12], Options{DryRun: true})
	if err != nil || r.State != Applied {
		t.Errorf("dry revert: %+v, %v", r, err)
	}
	v.revert()
	_, err = Revert(context.Background(), v.pid, "", Options{})
	checkRefusal(t, err, splice.CodeNotApplied)
	r, err = Apply(context.Background(), v.pid, &other, Options{DryRun: true})
	if err != nil || r.State != Staged {
		t.Errorf("dry apply: %+v, %v", r, err)
	}
	v.expect("reverted", "7:107")
	v.apply(&other)
	v.expect("other", "7:207")
}

// TestKeptAndAgain applies an update again whose memory had to stay.
func TestKeptAndAgain(t *testing.T) {
	b := program(t, configNamed("O2-pie"), "visible")
	v := start(t, b.program, "2")
	u := v.update(b)
	for range 3 {
		v.expect("before", "2:sum 16")
		v.apply(u)
		v.expect("after", "2:helped 36")
		if r := v.revert(); r.State != Kept || !strings.Contains(r.Kept, "helper") {
			t.Errorf("%+v", r)
		}
	}
	v.expect("reverted", "2:sum 16")
	v.apply(u)
	st, err := Status(context.Background(), v.pid)
	if err != nil || len(st) != 4 {
		t.Fatalf("%+v, %v", st, err)
	}
	for i, want := range []State{Kept, Kept, Kept, Applied} {
		if st[i].State != want {
			t.Errorf("record %d is %s", i, st[i].State)
		}
	}
}

// TestOtherProgram applies an update to processes that it is not for.
func TestOtherProgram(t *testing.T) {
	_, _, u := odd(t, configNamed("O2-pie"))
	for _, tt := range []struct {
		c    config
		name string
	}{{configNamed("O1-nopie"), "odd"}, {configNamed("O2-pie"), "pair"}} {
		v := start(t, program(t, tt.c, tt.name).program)
		v.ask(0)
		_, err := Apply(context.Background(), v.pid, u, Options{})
		checkRefusal(t, err, splice.CodeNoModule)
	}
	v, _, _ := odd(t, configNamed("O2-pie"))
	changed := *u
	changed.Objects = []splice.Object{u.Objects[0]}
	changed.Objects[0].Redirects = []splice.Redirect{u.Objects[0].Redirects[0]}
	r := &changed.Objects[0].Redirects[0]
	r.Old = append([]splice.Span(nil), r.Old...)
	r.Old[0].Bytes = append([]byte{0x90}, r.Old[0].Bytes[1:]...)
	_, err := Apply(context.Background(), v.pid, &changed, Options{})
	checkRefusal(t, err, splice.CodeChanged)
	changed.Objects[0].Redirects = nil
	_, err = Apply(context.Background(), v.pid, &changed, Options{})
	checkRefusal(t, err, splice.CodeNothing)
}

// TestEnds has the process end, or execute another program, while Apply waits
// for a thread to leave the function.
func TestEnds(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(v *victim)
		want splice.Code
	}{
		{"killed", func(v *victim) { v.cmd.Process.Kill() }, CodeGone},
		{"executes", func(v *victim) { io.WriteString(v.in, "100\n"); v.unpark.Write([]byte("x")) }, CodeExec},
		{"exits", func(v *victim) { io.WriteString(v.in, "101\n"); v.unpark.Write([]byte("x")) }, CodeGone},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v, _, u := odd(t, configNamed("O2-pie"))
			v.goPark(1)
			_, err := Apply(context.Background(), v.pid, u, Options{Backoff: 50 * time.Millisecond, Logger: v.onBusy(func() { tt.end(v) })})
			checkRefusal(t, err, tt.want)
		})
	}
	_, err := Status(context.Background(), 1<<22)
	checkRefusal(t, err, CodeGone)
}

// TestStopped applies to a process that job control has stopped.
func TestStopped(t *testing.T) {
	v, _, u := odd(t, configNamed("O2-pie"))
	stopped := func(when string) {
		t.Helper()
		for i := 0; statusOf(v.pid) != "T"; i++ { // a thread that is let go stops again once it is scheduled
			if i > 5000 {
				t.Fatalf("state %s %s", statusOf(v.pid), when)
			}
			time.Sleep(time.Millisecond)
		}
	}
	v.cmd.Process.Signal(syscall.SIGSTOP)
	stopped("after SIGSTOP")
	v.apply(u)
	stopped("after Apply")
	v.cmd.Process.Signal(syscall.SIGCONT)
	v.expect("continued", "7:207")
	v.cmd.Process.Signal(syscall.SIGSTOP)
	v.revert()
	stopped("after Revert")
	v.cmd.Process.Signal(syscall.SIGCONT)
	v.expect("reverted", "7:107")
}

func init() { roles["try"] = roleTry }

// roleTry tries to apply an update, and says what the refusal is.
func roleTry(args []string) error {
	pid, _ := strconv.Atoi(args[0])
	f, err := os.Open(args[1])
	if err != nil {
		return err
	}
	u, err := splice.ReadUpdate(f)
	if err != nil {
		return err
	}
	_, err = Apply(context.Background(), pid, u, Options{})
	var r *splice.Refusal
	if !errors.As(err, &r) {
		return err
	}
	os.Stdout.WriteString(string(r.Code) + ": " + r.Hint)
	return nil
}

// TestNobody tries without permission.
func TestNobody(t *testing.T) {
	testenv.NeedRoot(t)
	v, _, u := odd(t, configNamed("O2-pie"))
	dir := t.TempDir()
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		os.Chmod(d, 0o755)
	}
	file, tool := filepath.Join(dir, "update"), filepath.Join(dir, "tool")
	for to, from := range map[string]string{file: saved(t, u), tool: os.Args[0]} {
		b, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, b, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := helper("try", v.pid, file)
	cmd.Path = tool
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.Output()
	if err != nil || !strings.HasPrefix(string(out), string(CodePermission)+": run as") {
		t.Errorf("%q, %v", out, err)
	}
	v.expect("afterwards", "7:107")
}

// TestConditions puts the process in conditions that make it hard to patch.
func TestConditions(t *testing.T) {
	for _, tt := range []struct {
		name, victim string
		request      int
		want         splice.Code // "" when it has to work
		form, new    string
	}{
		{"no room within reach", "far", 102, "", "jmp *0x0(%rip)", "7:2135"},
		{"data out of reach", "odd", 102, splice.CodeOutOfReach, "", "7:107"},
		{"memory never writable and executable", "odd", 103, "", "jmp ", "7:207"},
		{"address space limit", "odd", 104, CodeNoMemory, "", "7:107"},
		{"seccomp filter", "odd", 105, "", "jmp ", "7:207"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.request == 105 {
				testenv.NeedRoot(t) // to read and suspend filters
			}
			b := program(t, configNamed("O2-pie"), tt.victim)
			v := start(t, b.program)
			old := "7:" + v.ask(7)
			u := v.update(b)
			if got := v.ask(tt.request); got == "-1" {
				testenv.Skip(t, "the kernel does not know how: %s", got)
			}
			code, layout := v.code(), v.layout()
			r, err := Apply(context.Background(), v.pid, u, Options{})
			if tt.want != "" {
				checkRefusal(t, err, tt.want)
			} else if err != nil {
				t.Fatal(err)
			}
			v.expect("after", tt.new)
			if err == nil {
				if got := strings.Join(strings.Fields(r.Redirects[0].Trampoline), " "); !strings.Contains(got, tt.form) {
					t.Errorf("trampoline %q", got)
				}
				v.revert()
			}
			v.expect("in the end", old)
			if v.layout() != layout || !maps.Equal(code, v.code()) {
				t.Error("something is left behind")
			}
		})
	}
}
