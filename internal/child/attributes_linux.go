package child

import "syscall"

// attributes are those of a command with a process group of its own. The signal is sent when
// the thread that started it ends: Go keeps its threads, but for those that a goroutine was
// locked to when it ended.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
