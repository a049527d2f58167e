//go:build unix

package kbuild

import (
	"os/exec"
	"syscall"
)

// endTogether has a command and all that it starts end when its context does.
func endTogether(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
}
