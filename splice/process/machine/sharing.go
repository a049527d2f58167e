//go:build linux && amd64

package machine

import (
	"slices"

	"github.com/gosplice/gosplice/internal/procfs"
)

// sharing notes which of the processes run in one memory: children of vfork(2) and posix_spawn(3)
// before they execute something, and processes made by clone(2) with CLONE_VM. Their threads are
// not stopped with those of the process that has the memory. kcmp(2) has an order, by which all
// are compared in n log n steps; a parent is compared beside that, since the order is none while
// processes end.
func sharing(list []*seen) {
	sorted := slices.Clone(list)
	slices.SortStableFunc(sorted, func(a, b *seen) int {
		r, _ := procfs.CompareMemory(a.id.PID, b.id.PID)
		return r
	})
	for i, p := range sorted {
		if i > 0 && procfs.SameMemory(sorted[i-1].id.PID, p.id.PID) {
			sorted[i-1].shares, p.shares = p.id.PID, sorted[i-1].id.PID
		}
		if st, err := procfs.ReadStatus(p.id.PID); err == nil && p.shares == 0 && procfs.SameMemory(p.id.PID, st.PPid) {
			p.shares = st.PPid
		}
	}
}
