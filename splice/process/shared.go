//go:build linux && amd64

package process

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/gosplice/gosplice/internal/procfs"
	"github.com/gosplice/gosplice/splice"
)

// kcmpVM is KCMP_VM of kcmp(2): do two processes share their memory?
const kcmpVM = 1

// alone refuses a process in whose memory another one runs: a child of vfork(2) or posix_spawn(3)
// that has not executed anything yet, or what clone(2) with CLONE_VM made. The threads of the
// other one are not stopped with those of the process, and may stand anywhere. It is asked
// before each stop: a thread that waits for a child of vfork does not stop, so that it is asked
// again.
//
// Processes that the kernel does not compare, being those of others, are taken for what they
// nearly always are: programs of their own.
func alone(pid int) error {
	f, err := os.Open("/proc")
	if err != nil {
		return err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return err
	}
	with := procfs.MemoryPID(pid) // those that have ended have no memory, which looks like sharing it
	for _, name := range names {
		other, err := strconv.Atoi(name)
		if err != nil || other == pid || with == 0 || !sameMemory(with, other) {
			continue
		}
		if st, err := procfs.ReadStat(other); err != nil || st.IsKthread() {
			continue // it works on the memory (vhost), and runs nothing there
		}
		return splice.Refuse(CodeSharedMemory, "", "", 0, "process %d runs in the same memory, and is not stopped with it", other)
	}
	return nil
}

func sameMemory(a, b int) bool {
	r, _, errno := unix.Syscall6(unix.SYS_KCMP, uintptr(a), uintptr(b), kcmpVM, 0, 0, 0)
	return errno == 0 && r == 0
}
