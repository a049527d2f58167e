//go:build linux && amd64

package process

import (
	"context"
	"os"
	"strconv"
	"syscall"
	"testing"

	"github.com/gosplice/gosplice/internal/procfs"
)

// TestSharedMemory has another process run in the memory of the one that is to be patched: it is not
// stopped with it, and both ways are refused, by a dry run too, until it is gone.
func TestSharedMemory(t *testing.T) {
	v, _, u := odd(t, configNamed("O2-pie"))
	opt := Options{Attempts: 2}
	share := func() func() {
		line := v.ask(109)
		pid, err := strconv.Atoi(line)
		if err != nil || pid <= 0 {
			t.Fatalf("no process shares the memory: %q", line)
		}
		return func() {
			syscall.Kill(pid, syscall.SIGKILL)
			for alone(v.pid) != nil {
			}
		}
	}
	end := share()
	for _, opt.DryRun = range []bool{true, false} {
		_, err := Apply(context.Background(), v.pid, u, opt)
		checkRefusal(t, err, CodeSharedMemory)
	}
	end()
	v.apply(u)
	v.expect("after", "7:207")
	end = share()
	for _, opt.DryRun = range []bool{true, false} {
		_, err := Revert(context.Background(), v.pid, "", opt)
		checkRefusal(t, err, CodeSharedMemory)
	}
	v.expect("shared", "7:207")
	end()
	v.revert()
	v.expect("reverted", "7:107")
}

// TestAlone: programs of their own are alone, also those that have ended in part.
func TestAlone(t *testing.T) {
	for _, pid := range []int{1, os.Getpid(), os.Getppid()} {
		if err := alone(pid); err != nil {
			t.Errorf("process %d: %v", pid, err)
		}
	}
}

// TestKernelsThreads patches a process to which io_uring has added a thread of the kernel.
func TestKernelsThreads(t *testing.T) {
	v, _, u := odd(t, configNamed("O2-pie"))
	if got := v.ask(110); got != "1" {
		t.Skipf("no io_uring: %s", got)
	}
	tids, err := procfs.Tasks(v.pid)
	if err != nil || len(tids) != 4 {
		t.Fatalf("threads %d, %v", tids, err)
	}
	v.apply(u)
	v.expect("after", "7:207")
	if r := v.revert(); r.State != "" {
		t.Errorf("%+v", r)
	}
	v.expect("reverted", "7:107")
}
