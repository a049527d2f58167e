//go:build unix && !linux

package child

import "syscall"

// attributes are those of a command with a process group of its own.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
