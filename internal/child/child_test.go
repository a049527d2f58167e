//go:build linux

package child

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// TestEndTogether ends a shell, and what that has started.
func TestEndTogether(t *testing.T) {
	testenv.Need(t, "sh", "sleep")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", "sleep 1000 & echo $!; wait")
	EndTogether(cmd)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := cmd.Wait(); err == nil {
		t.Error("it was not ended")
	}
	waitEnded(t, pid)
}

// waitEnded waits until a process is gone.
func waitEnded(t *testing.T, pid int) {
	t.Helper()
	for range 1000 {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") { // init may be slow to reap it
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("process %d is left", pid)
}

// helper is set where the test's program is to be the process that is killed.
const helper = "GOSPLICE_CHILD_HELPER"

// TestKilled kills a process that has started a command: the command ends as well.
func TestKilled(t *testing.T) {
	testenv.Need(t, "sleep")
	if os.Getenv(helper) != "" {
		cmd := exec.CommandContext(t.Context(), "sleep", "1000")
		EndTogether(cmd)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		fmt.Println("pid", cmd.Process.Pid)
		t.Error(cmd.Wait())
		return
	}
	self := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilled$")
	self.Env = append(os.Environ(), helper+"=1")
	out, err := self.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := self.Start(); err != nil {
		t.Fatal(err)
	}
	pid := 0
	for s := bufio.NewScanner(out); pid == 0 && s.Scan(); {
		fmt.Sscanf(s.Text(), "pid %d", &pid)
	}
	if err := self.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = self.Wait() // it was killed
	if pid == 0 {
		t.Fatal("it has started nothing")
	}
	waitEnded(t, pid)
}
