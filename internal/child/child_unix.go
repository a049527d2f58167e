//go:build unix

package child

import (
	"os/exec"
	"syscall"
	"time"
)

// patience is how long a command may take to end before it is killed.
const patience = 10 * time.Second

// EndTogether has a command of exec.CommandContext and all that it starts end by
// SIGTERM when its context is done, so that it leaves no half of a file. On Linux the command
// gets that signal too when this process is killed.
func EndTogether(cmd *exec.Cmd) {
	cmd.SysProcAttr = attributes()
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = patience
}
