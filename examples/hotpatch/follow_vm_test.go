//go:build linux && amd64

package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/internal/vm"
)

// counter is a program that says what a function returns until that is something else than 5, a thousand times at
// most; FACTOR stands for a number.
const counter = `
#include <stdio.h>
#include <unistd.h>
__attribute__((noipa)) int total(int n) { return n * FACTOR + 2; }
int main(void)
{
	for (int i = 0, n = 5; i < 1000 && n == 5; i++) {
		n = total(3);
		printf("%d\n", n);
		fflush(stdout);
		usleep(50000);
	}
	return 0;
}
`

// TestFollowOlder follows on a kernel on which nobody can attach to a thread that opens its program (before Linux 6.8): programs
// that are executed at once, and again, go on, and are patched.
func TestFollowOlder(t *testing.T) {
	stock := vmtest.Need(t, "6.1")
	testenv.Need(t, "gcc")
	pre, post := compiled(t, strings.Replace(counter, "FACTOR", "1", 1)), compiled(t, strings.Replace(counter, "FACTOR", "2", 1))
	program, update := filepath.Join(t.TempDir(), "counter"), filepath.Join(t.TempDir(), "update.json")
	if said, err := exec.Command("gcc", "-static", "-o", program, pre).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	stored(t, program, update, pre, post)
	m := vmtest.New(t, vm.Options{Kernel: &stock.Kernel, CPUs: 1, Log: vm.Policy{Taint: "X"}}) // Debian marks kernels in which fanotify(7) holds somebody
	tool, err := vmtest.BuildProgram(vmtest.Context(t), "github.com/gosplice/gosplice/examples/hotpatch")
	if err != nil {
		t.Fatal(err)
	}
	put(t, m, "/bin/hotpatch", tool)
	for from, to := range map[string]string{program: "/bin/counter", update: "/update.json"} {
		b, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		put(t, m, to, b)
	}
	ctx, end := context.WithCancel(t.Context())
	var follower sync.WaitGroup
	follower.Go(func() {
		r, err := m.Run(ctx, vm.Command{Path: "/bin/hotpatch", Args: []string{"follow", "/update.json", "-all"}})
		if ctx.Err() == nil {
			t.Errorf("follow ended: %+v, %v", r, err)
		}
	})
	defer func() { end(); follower.Wait() }()
	time.Sleep(2 * time.Second) // also before it listens they have to go on
	for range 3 {
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() { count(t, m) })
		}
		both.Wait()
	}
}

func put(t *testing.T, m *vm.Machine, path string, b []byte) {
	t.Helper()
	if err := m.Put(t.Context(), path, b, 0o755); err != nil {
		t.Fatal(err)
	}
}

// stored makes an update of two objects for a program.
func stored(t *testing.T, program, update, pre, post string) {
	t.Helper()
	cmd := exec.Command(program)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	hotpatch(t, exitDone, "-pid", strconv.Itoa(cmd.Process.Pid), "-pre", pre, "-post", post, "-o", update, "-dry-run", "-json")
}

// count runs the program, which ends, and ends with what is new.
func count(t *testing.T, m *vm.Machine) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	r, err := m.Run(ctx, vm.Command{Path: "/bin/counter"})
	if err != nil {
		t.Errorf("it hangs: %v", err)
		return
	}
	if r.Status != 0 || !strings.HasSuffix(string(r.Stdout), "8\n") {
		t.Errorf("status %d, %q, %q", r.Status, r.Stdout, r.Stderr)
	}
	t.Logf("%q", strings.Fields(string(r.Stdout)))
}
