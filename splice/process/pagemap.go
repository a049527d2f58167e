//go:build linux && amd64

package process

import (
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/gosplice/gosplice/internal/procfs"
	"github.com/gosplice/gosplice/splice"
)

// pagemap tells which pages of a process exist
// (Documentation/admin-guide/mm/pagemap.rst of Linux 6.1).
type pagemap struct {
	f   *os.File
	buf [512 * 8]byte
}

func openPagemap(pid int) (*pagemap, error) {
	f, err := os.Open(procfs.Path(pid, "pagemap"))
	if err != nil {
		return nil, err
	}
	return &pagemap{f: f}, nil
}

func (p *pagemap) Close() error { return p.f.Close() }

// An entry has bit 63 set for a page in memory, bit 62 for one in swap.
const pageExists = 3 << 62

// run returns the length of the run of pages at addr, at most limit bytes, that
// all exist or all do not.
func (p *pagemap) run(addr, limit uint64) (n uint64, present bool, err error) {
	pages := min(limit/splice.PageSize, uint64(len(p.buf)/8))
	b := p.buf[:pages*8]
	if _, err := p.f.ReadAt(b, int64(addr/splice.PageSize*8)); err != nil {
		return 0, false, fmt.Errorf("page map at %#x: %w", addr, err)
	}
	exists := func(i uint64) bool { return binary.LittleEndian.Uint64(b[i*8:])&pageExists != 0 }
	i := uint64(1)
	for i < pages && exists(i) == exists(0) {
		i++
	}
	return i * splice.PageSize, exists(0), nil
}

// residentSize returns how much memory a process has in RAM, in bytes.
func residentSize(pid int) (uint64, error) {
	name := procfs.Path(pid, "statm")
	b, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	f := strings.Fields(string(b))
	if len(f) < 2 {
		return 0, fmt.Errorf("%s: %q", name, b)
	}
	n, err := strconv.ParseUint(f[1], 10, 64)
	return n * splice.PageSize, err
}
