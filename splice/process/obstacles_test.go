//go:build linux && amd64

package process

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// cgroupFile is a file by which a cgroup is set, relative to the folder where a version of the controller is mounted.
type cgroupFile struct{ version, mounted, name, value, back string }

// put puts the victim into a cgroup of its own, and sets it, or skips the test. It returns what undoes that.
func (f cgroupFile) put(v *victim) func() {
	v.t.Helper()
	testenv.NeedRoot(v.t)
	dir := filepath.Join(f.mounted, "gosplice-test-"+strconv.Itoa(v.pid))
	write := func(path, text string) error { return os.WriteFile(path, []byte(text), 0o644) }
	if err := os.Mkdir(dir, 0o755); err != nil {
		v.t.Skipf("no cgroup of its own: %v", err)
	}
	pid := strconv.Itoa(v.pid)
	undo := func() {
		_ = write(filepath.Join(dir, f.name), f.back)
		_ = write(filepath.Join(f.mounted, "cgroup.procs"), pid)
		for i := 0; i < 100 && os.Remove(dir) != nil; i++ {
			time.Sleep(10 * time.Millisecond)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, f.name)); err != nil {
		os.Remove(dir)
		v.t.Skipf("no cgroup of %s is mounted there: %v", f.version, err)
	}
	for path, text := range map[string]string{filepath.Join(dir, "cgroup.procs"): pid, filepath.Join(dir, f.name): f.value} {
		if err := write(path, text); err != nil {
			undo()
			v.t.Skipf("this kernel's cgroups have no %s here: %v", f.name, err)
		}
	}
	return undo
}

// TestFrozen finds processes that are paused, as containers are.
func TestFrozen(t *testing.T) {
	for _, f := range []cgroupFile{
		{"version 1", "/sys/fs/cgroup/freezer", "freezer.state", "FROZEN", "THAWED"},
		{"version 2", "/sys/fs/cgroup", "cgroup.freeze", "1", "0"},
		{"both, version 2", "/sys/fs/cgroup/unified", "cgroup.freeze", "1", "0"},
	} {
		t.Run(f.version, func(t *testing.T) {
			v, _, u := odd(t, configNamed("O2-pie"))
			undo := f.put(v)
			_, err := Apply(context.Background(), v.pid, u, Options{})
			undo()
			checkRefusal(t, err, CodeFrozen)
			v.expect("thawed", "7:107")
			v.apply(u)
			undo = f.put(v)
			_, err = Revert(context.Background(), v.pid, "", Options{})
			undo()
			checkRefusal(t, err, CodeFrozen)
			v.expect("still", "7:207")
			v.revert()
		})
	}
}

// TestMovedCode has code in memory that is not private memory of a file: what is written to it others might see, and it could not
// be told later whether it is still the same.
func TestMovedCode(t *testing.T) {
	b := program(t, configNamed("O2-pie"), "moved")
	for name, request := range map[string]string{"shared": "100:0", "of no file": "101:0"} {
		t.Run(name, func(t *testing.T) {
			v := start(t, b.program)
			v.expect("before", "7:107")
			u := v.update(b)
			v.expect("move", request)
			layout := v.layout()
			_, err := Apply(context.Background(), v.pid, u, Options{})
			checkRefusal(t, err, CodeCodeMemory)
			v.expect("refused", "7:107")
			if v.layout() != layout {
				t.Error("something is left behind")
			}
		})
	}
}

// TestGroupMemory has no memory left in the cgroup of the victim, so that the kernel would kill it.
func TestGroupMemory(t *testing.T) {
	if b, err := os.ReadFile("/proc/meminfo"); err != nil || !strings.Contains(string(b), "SwapFree:              0 kB") {
		t.Skip("there is swap space, or nobody knows")
	}
	for _, f := range []cgroupFile{
		{"version 1", "/sys/fs/cgroup/memory", "memory.limit_in_bytes", "16384", "-1"},
		{"version 2", "/sys/fs/cgroup", "memory.max", "16384", "max"},
	} {
		t.Run(f.version, func(t *testing.T) {
			v, _, u := odd(t, configNamed("O2-pie"))
			undo := f.put(v)
			_, err := Apply(context.Background(), v.pid, u, Options{})
			undo()
			checkRefusal(t, err, CodeNoMemory)
			v.expect("raised", "7:107")
			v.apply(u)
			v.expect("applied", "7:207")
		})
	}
}
