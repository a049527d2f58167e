//go:build linux && amd64

package ptrace

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// killModes are victims that differ in which thread makes the call.
var killModes = []struct {
	name string
	jobs []string
}{
	{"threads", allJobs},
	{"user code", []string{"regs"}},
	{"two of user code", []string{"regs", "regs"}},
	{"modes", []string{"modes"}},
	{"read", []string{"ping", "pong", "input"}},
	{"sleep", []string{"nap"}},
	{"epoll", []string{"epoll"}},
	{"signals", []string{"signal"}},
	{"suspended", []string{"wake", "suspend"}},
}

// runCycle starts a tracer, and waits until it is killed: by itself, or here
// after a while when after is not negative.
func runCycle(t *testing.T, pid int, after time.Duration, args ...any) {
	t.Helper()
	cmd := helper("cycle", append([]any{pid}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	bufio.NewReader(out).ReadString('\n')
	if after >= 0 {
		time.Sleep(after)
		cmd.Process.Kill()
	} else {
		timer := time.AfterFunc(20*time.Second, func() { cmd.Process.Signal(unix.SIGTERM) })
		defer timer.Stop()
	}
	err = cmd.Wait()
	if ws := cmd.ProcessState.Sys().(syscall.WaitStatus); ws.Signal() != unix.SIGKILL {
		t.Fatalf("tracer ended before it was killed: %v", err)
	}
}

// TestKillSteps kills the tracer after every step of a system call, by every
// kind of thread.
func TestKillSteps(t *testing.T) {
	testenv.Serial(t)
	steps := []string{stepFrame, stepCommitted, stepMasked, stepEntered, stepLeft, stepStopped, stepUnmasked, stepRestored}
	kills := 0
	for _, mode := range killModes {
		t.Run(mode.name, func(t *testing.T) {
			v := startVictim(t, mode.jobs...)
			for _, step := range steps {
				for nth := range 2 {
					if testing.Short() && nth > 0 {
						break
					}
					runCycle(t, v.pid, -1, step, nth)
					kills++
					time.Sleep(2 * time.Millisecond)
					v.alive(fmt.Sprintf("after step %s of call %d", step, nth))
				}
			}
			t.Log(v.finish())
		})
	}
	t.Logf("%d kills", kills)
}

// TestKill kills the tracer at random instants.
func TestKill(t *testing.T) {
	testenv.Serial(t)
	rounds := 30
	if testing.Short() {
		rounds = 5
	}
	kills := 0
	for _, mode := range killModes {
		t.Run(mode.name, func(t *testing.T) {
			v := startVictim(t, mode.jobs...)
			for range rounds {
				after := time.Duration(rand.IntN(10000)) * time.Microsecond
				runCycle(t, v.pid, after)
				kills++
				v.alive(fmt.Sprintf("after a kill at %v", after))
			}
			time.Sleep(10 * time.Millisecond)
			t.Log(v.finish())
		})
	}
	t.Logf("%d kills", kills)
}
