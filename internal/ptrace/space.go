//go:build linux && amd64

package ptrace

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/gosplice/gosplice/internal/procfs"
)

const (
	pageSize = 4096
	// maxUser is TASK_SIZE_MAX with four levels of page tables, the limit
	// of mmap without a hint above it.
	maxUser = 1<<47 - pageSize
	// minAddr is the default of vm.mmap_min_addr.
	minAddr = 64 << 10
	// stackGap is the kernel's default stack_guard_gap, 256 pages, which no
	// mapping may intrude on.
	stackGap = 256 * pageSize
	// stackRoom is how far a stack may grow when its limit is not known.
	stackRoom = 8 << 20
)

// A Space describes what of an address space is taken.
type Space struct {
	Maps    []procfs.Mapping // ascending
	MinAddr uint64           // lowest address that may be mapped
	Brk     uint64           // start of the heap that brk(2) grows, 0 when unknown
	Stack   uint64           // how large the main stack may become, in bytes
}

// ReadSpace reads the address space of a process. It is good for as long as the
// process is stopped.
func ReadSpace(pid int) (*Space, error) {
	maps, err := procfs.Maps(pid)
	if err != nil {
		return nil, err
	}
	sp := &Space{Maps: maps, MinAddr: minAddr, Stack: stackRoom}
	if st, err := procfs.ReadStat(procfs.MemoryPID(pid)); err == nil {
		sp.Brk = st.StartBrk
	}
	if b, err := os.ReadFile("/proc/sys/vm/mmap_min_addr"); err == nil {
		if n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64); err == nil {
			sp.MinAddr = max(n, pageSize)
		}
	}
	if n, ok := stackLimit(pid); ok {
		sp.Stack = n
	}
	return sp, nil
}

// stackLimit reads the soft limit of the stack's size. "unlimited" is taken for
// unknown: nothing could be mapped below such a stack.
func stackLimit(pid int) (uint64, bool) {
	n, ok := procfs.SoftLimit(pid, procfs.LimitStack)
	return n, ok && n < maxUser/2
}

// Free returns the start of a free range of size bytes such that every byte of
// it is at most reach bytes away from addr. Of all such ranges it takes the one
// nearest to addr, but keeps away from where the heap and the main stack grow.
// size is rounded up to pages. Without one the error is a [*Refusal] of code
// NoRange.
func (sp *Space) Free(addr, size, reach uint64) (uint64, error) {
	size = (size + pageSize - 1) &^ (pageSize - 1)
	low, high := sp.MinAddr, uint64(maxUser)
	if addr > reach {
		low = max(low, addr-reach)
	}
	if addr < high && reach < high-addr {
		high = addr + reach + 1
	}
	low = (low + pageSize - 1) &^ (pageSize - 1)
	high &^= pageSize - 1

	best, found := uint64(0), false
	consider := func(start, end uint64, growsInto bool) {
		start, end = max(start, low), min(end, high)
		if size == 0 || start >= end || end-start < size {
			return
		}
		at := end - size // nearest when the gap is below addr, or the heap grows from its start
		if start >= addr && !growsInto {
			at = start
		}
		if !found || distance(at, addr, size) < distance(best, addr, size) {
			best, found = at, true
		}
	}
	last := uint64(0)
	heap := false
	for i := range sp.Maps {
		m := &sp.Maps[i]
		if m.Start > last {
			end := m.Start
			if m.Path == "[stack]" {
				end -= min(end, max(sp.Stack, m.Len())-m.Len()+stackGap)
			}
			consider(last, end, heap || last <= sp.Brk && sp.Brk < m.Start && sp.Brk != 0)
		}
		last = m.End
		heap = m.Path == "[heap]"
	}
	consider(last, maxUser, heap)
	if !found {
		return 0, &Refusal{Code: NoRange, Msg: fmt.Sprintf("no %d free bytes within %#x of %#x", size, reach, addr)}
	}
	return best, nil
}

// distance is how far the far end of a range is from addr.
func distance(at, addr, size uint64) uint64 {
	if at >= addr {
		return at + size - addr
	}
	return addr - at
}
