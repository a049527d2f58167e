package procfs

import "golang.org/x/sys/unix"

// kcmpVM is KCMP_VM of kcmp(2): do two processes share their memory?
const kcmpVM = 1

// CompareMemory orders two processes by their memory, 0 where it is the same; ok is false where the
// kernel does not compare them. Those that have ended have none, and look like sharing it.
func CompareMemory(a, b int) (order int, ok bool) {
	r, _, errno := unix.Syscall6(unix.SYS_KCMP, uintptr(a), uintptr(b), kcmpVM, 0, 0, 0)
	switch {
	case errno != 0:
		return 0, false
	case r == 1:
		return -1, true
	}
	return int(min(r, 1)), true
}

// SameMemory reports whether two processes run in one memory.
func SameMemory(a, b int) bool {
	order, ok := CompareMemory(a, b)
	return ok && order == 0 && a != b
}
