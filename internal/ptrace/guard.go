//go:build linux && amd64

package ptrace

import (
	"encoding/binary"
	"os"

	"github.com/gosplice/gosplice/internal/procfs"
)

// guardPage returns the end of the nearest guard page below sp, not below
// start, or 0. It reads pagemap (Documentation/admin-guide/mm/pagemap.rst of the
// kernel), at most for the 64 MB below sp.
func guardPage(pid int, start, sp uint64) uint64 {
	const (
		page  = 4096
		most  = 64 << 20 / page
		guard = 1 << 58
		entry = 8
	)
	f, err := os.Open(procfs.Path(procfs.MemoryPID(pid), "pagemap"))
	if err != nil {
		return 0
	}
	defer f.Close()
	first, last := start/page, sp/page
	if last-first > most {
		first = last - most
	}
	buf := make([]byte, (last-first)*entry)
	if _, err := f.ReadAt(buf, int64(first*entry)); err != nil {
		return 0
	}
	for i := last; i > first; i-- {
		if binary.LittleEndian.Uint64(buf[(i-1-first)*entry:])&guard != 0 {
			return i * page
		}
	}
	return 0
}
