//go:build linux && amd64

package machine

import (
	"slices"

	"golang.org/x/sys/unix"

	"github.com/gosplice/gosplice/internal/procfs"
)

// kcmpVM is KCMP_VM of kcmp(2): do two processes share their memory?
const kcmpVM = 1

// sharing notes which of the processes run in one memory: children of vfork(2) and posix_spawn(3)
// before they execute something, and processes made by clone(2) with CLONE_VM. Their threads are
// not stopped with those of the process that has the memory. kcmp(2) has an order, by which all
// are compared in n log n steps; a parent is compared beside that, since the order is none while
// processes end.
func sharing(list []*seen) {
	sorted := slices.Clone(list)
	slices.SortStableFunc(sorted, func(a, b *seen) int {
		r, _ := compareMemory(a.id.PID, b.id.PID)
		return r
	})
	for i, p := range sorted {
		if i > 0 && sameMemory(sorted[i-1].id.PID, p.id.PID) {
			sorted[i-1].shares, p.shares = p.id.PID, sorted[i-1].id.PID
		}
		if st, err := procfs.ReadStatus(p.id.PID); err == nil && p.shares == 0 && sameMemory(p.id.PID, st.PPid) {
			p.shares = st.PPid
		}
	}
}

// compareMemory orders two processes by their memory; ok is false where the kernel does not
// compare them.
func compareMemory(a, b int) (order int, ok bool) {
	r, _, errno := unix.Syscall6(unix.SYS_KCMP, uintptr(a), uintptr(b), kcmpVM, 0, 0, 0)
	switch {
	case errno != 0:
		return 0, false
	case r == 1:
		return -1, true
	}
	return int(min(r, 1)), true
}

func sameMemory(a, b int) bool {
	order, ok := compareMemory(a, b)
	return ok && order == 0 && a != b
}
