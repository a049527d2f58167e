package vm_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/internal/vm"
)

// TestMachine boots each kernel once and tries everything that a healthy one
// can do; that it stays healthy is checked when the test ends.
func TestMachine(t *testing.T) {
	for _, series := range []string{"6.1", "6.12"} {
		t.Run(series, func(t *testing.T) {
			t.Parallel()
			k := vmtest.Need(t, series)
			m := vmtest.New(t, vm.Options{
				Kernel: &k.Kernel, CPUs: 2, Cmdline: []string{"gosplice.test=yes"}, Modules: []string{"tcp_bbr"},
				Files: map[string]string{"/bin/probe": probe(t)},
				Log:   vm.Policy{Taint: "E", Allow: []string{"^WARNING: CPU: 0 PID: 1 at a test"}},
			})
			t.Logf("%s: answered after %v", m.Release, m.BootTime)
			if m.Release != k.Release || !strings.HasPrefix(k.Release, series+".") {
				t.Errorf("booted %q, want %q", m.Release, k.Release)
			}
			for _, c := range []struct {
				name string
				test func(*testing.T, *vm.Machine)
			}{
				{"options", testOptions}, {"modules", testModules}, {"files", testFiles},
				{"programs", testPrograms}, {"parallel", testParallel}, {"log", testLog},
				{"rewritten", testRewritten}, {"held", testHeld},
			} {
				t.Run(c.name, func(t *testing.T) { c.test(t, m) })
			}
		})
	}
}

func probe(t *testing.T) string {
	t.Helper()
	b, err := vmtest.BuildProgram(t.Context(), "github.com/gosplice/gosplice/internal/vm/testdata/probe")
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "probe")
	if err := os.WriteFile(name, b, 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}

func testOptions(t *testing.T, m *vm.Machine) {
	for path, want := range map[string]string{
		"/proc/cmdline":                  "gosplice.test=yes",
		"/sys/devices/system/cpu/online": "0-1",
		"/proc/modules":                  "tcp_bbr ",
		"/proc/version":                  m.Release,
		"/proc/mounts":                   "tracefs",
	} {
		b, err := m.ReadFile(t.Context(), path)
		if err != nil {
			t.Error(err)
		} else if !strings.Contains(string(b), want) {
			t.Errorf("%s holds %q, want %q", path, b, want)
		}
	}
}

// testHeld keeps things of many kinds open: used again, they do the same.
func testHeld(t *testing.T, m *vm.Machine) {
	h, err := m.Hold(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := h.Touch(t.Context()); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d things are open", h.Len())
	if h.Len() < 200 {
		t.Errorf("%d things are open", h.Len())
	}
	if err := h.Release(t.Context()); err != nil {
		t.Error(err)
	}
}

func testModules(t *testing.T, m *vm.Machine) {
	ctx := t.Context()
	if err := m.Modprobe(ctx, "dummy", "numdummies=3"); err != nil {
		t.Fatal(err)
	}
	if err := m.Modprobe(ctx, "dummy", ""); err != nil {
		t.Errorf("a second time: %v", err)
	}
	names, err := m.ReadDir(ctx, "/sys/class/net")
	if got, want := fmt.Sprint(names, err), "[dummy0 dummy1 dummy2 lo] <nil>"; got != want {
		t.Errorf("interfaces %s, want %s", got, want)
	}
	if err := m.Unload(ctx, "dummy"); err != nil {
		t.Fatal(err)
	}
	b, err := m.ReadFile(ctx, "/proc/modules")
	if err != nil || strings.Contains(string(b), "dummy") || !strings.Contains(string(b), "tcp_bbr") {
		t.Errorf("modules: %s, %v", b, err)
	}
	if err := m.Modprobe(ctx, "bridge", ""); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		err  error
		want syscall.Errno
	}{
		"unload what is not there": {m.Unload(ctx, "dummy"), syscall.ENOENT},
		"unload what is in use":    {m.Unload(ctx, "stp"), syscall.EWOULDBLOCK},
		"load nothing":             {m.Load(ctx, nil, ""), syscall.EINVAL},
		"load garbage":             {m.Load(ctx, bytes.Repeat([]byte("no ELF "), 1<<18), ""), syscall.ENOEXEC},
	} {
		var e *vm.Error
		if !errors.Is(c.err, c.want) || !errors.As(c.err, &e) {
			t.Errorf("%s: %v, want %v", name, c.err, c.want)
		}
	}
	for _, name := range []string{"bridge", "stp", "llc"} {
		if err := m.Unload(ctx, name); err != nil {
			t.Error(err)
		}
	}
	var e *vm.LogError // the garbage: allowed here, so that the rest of the test starts anew
	if err := m.Check(ctx, vm.Policy{}); !errors.As(err, &e) || len(e.Findings) != 1 || e.Findings[0].Rule != "module loader" {
		t.Errorf("Check: %v, want the loader's complaint", err)
	}
	if err := m.Modprobe(ctx, "no_such_module", ""); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("unknown module: %v", err)
	}
}

func testFiles(t *testing.T, m *vm.Machine) {
	ctx := t.Context()
	big := make([]byte, 8<<20+5)
	for i := range big {
		big[i] = byte(i * i >> 8)
	}
	begin := time.Now()
	if err := m.Put(ctx, "/tmp/a/big", big, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := m.ReadFile(ctx, "/tmp/a/big")
	if err != nil || !bytes.Equal(got, big) {
		t.Errorf("read back %d bytes, %v, want the same %d", len(got), err, len(big))
	}
	t.Logf("%d MiB there and back: %v", len(big)>>20, time.Since(begin))
	if err := m.WriteFile(ctx, "/proc/sys/kernel/hostname", []byte("splice\n")); err != nil {
		t.Error(err)
	}
	if err := m.WaitFile(ctx, "/proc/sys/kernel/hostname", "splice"); err != nil {
		t.Error(err)
	}
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	if err := m.WaitFile(short, "/proc/sys/kernel/hostname", "other"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("wait for what never comes: %v", err)
	}
	for name, err := range map[string]error{
		"write": m.WriteFile(ctx, "/tmp/missing", nil),
		"read":  func() error { _, err := m.ReadFile(ctx, "/tmp/missing"); return err }(),
		"list":  func() error { _, err := m.ReadDir(ctx, "/tmp/missing"); return err }(),
	} {
		if !errors.Is(err, syscall.ENOENT) {
			t.Errorf("%s a file that is missing: %v", name, err)
		}
	}
}

func testPrograms(t *testing.T, m *vm.Machine) {
	ctx := t.Context()
	in := bytes.Repeat([]byte("\x00\xff\r\n\x11\x13"), 100_000)
	for name, c := range map[string]struct {
		cmd    vm.Command
		status int
		stdout string
		stderr string
	}{
		"binary": {vm.Command{Args: []string{"copy"}, Stdin: in}, 0, string(in), ""},
		"status": {vm.Command{Args: []string{"say", "x", ""}, Dir: "/tmp"}, 3, "[x ]", "and so on"},
		"signal": {vm.Command{Args: []string{"die"}}, 128 + 9, "", ""},
	} {
		c.cmd.Path = "/bin/probe"
		r, err := m.Run(ctx, c.cmd)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if r.Status != c.status || string(r.Stdout) != c.stdout || string(r.Stderr) != c.stderr {
			t.Errorf("%s: %d, %.40q, %.40q", name, r.Status, r.Stdout, r.Stderr)
		}
	}
	if _, err := m.Run(ctx, vm.Command{Path: "/bin/missing"}); !errors.Is(err, syscall.ENOENT) {
		t.Errorf("run a program that is missing: %v", err)
	}
	r, err := m.Run(ctx, vm.Command{Path: "probe", Args: []string{"orphan"}})
	if err != nil {
		t.Fatal(err)
	}
	waitGone(t, m, "/proc/"+string(r.Stdout)) // init buried it
}

func waitGone(t *testing.T, m *vm.Machine, path string) {
	t.Helper()
	for range 1000 {
		if _, err := m.ReadDir(t.Context(), path); errors.Is(err, syscall.ENOENT) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("%s is still there", path)
}

// testParallel has a program run, other requests answered in the meantime, and
// the program killed when its context ends.
func testParallel(t *testing.T, m *vm.Machine) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := m.Run(ctx, vm.Command{Path: "/bin/probe", Args: []string{"sleep"}})
		done <- err
	}()
	running := func() (pid string) {
		names, err := m.ReadDir(t.Context(), "/proc")
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range names {
			// A process may end between the two requests.
			if b, err := m.ReadFile(t.Context(), "/proc/"+n+"/cmdline"); err == nil && string(b) == "/bin/probe\x00sleep\x00" {
				return n
			}
		}
		return ""
	}
	pid := ""
	for range 1000 {
		if pid = running(); pid != "" {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if pid == "" {
		t.Fatal("the program does not run")
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Run: %v, want %v", err, context.Canceled)
	}
	waitGone(t, m, "/proc/"+pid)
}

// testLog writes a line that a healthy kernel does not write. The machine's own
// policy allows it, so that the check at the end passes over it.
func testLog(t *testing.T, m *vm.Machine) {
	if err := m.Check(t.Context(), vm.Policy{}); err != nil {
		t.Errorf("before: %v", err)
	}
	for _, line := range []string{"WARNING: CPU: 0 PID: 1 at a test\n", "back\\slash\ttab\n"} {
		if err := m.WriteFile(t.Context(), "/dev/kmsg", []byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	log, err := m.Log(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range log {
		if r.Seq != uint64(i) {
			t.Fatalf("record %d has number %d", i, r.Seq)
		}
	}
	if first, last := log[0].Text, log[len(log)-1].Text; !strings.HasPrefix(first, "Linux version "+m.Release) || last != "back\\slash\ttab" {
		t.Errorf("log from %q to %q", first, last)
	}
	var e *vm.LogError
	if err := m.Check(t.Context(), vm.Policy{}); !errors.As(err, &e) || len(e.Findings) != 1 || e.Findings[0].Rule != "WARN" || e.Taint != "" {
		t.Errorf("after: %v, want one WARN", err)
	}
	if err := m.Check(t.Context(), vm.Policy{}); err != nil {
		t.Errorf("the same line was found twice: %v", err)
	}
}
