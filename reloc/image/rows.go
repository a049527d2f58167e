package image

import (
	"cmp"
	"encoding/binary"
	"slices"
	"sync"
)

// A Row is a row of a table of the kernel about a place in its code, with 12 bytes in
// memory: two distances from their own fields to what they mean, and a word, which in some
// tables is a distance as well.
type Row struct {
	At     uint64 // run address of the place
	Second uint64 // of what the second distance leads to
	Data   uint32 // the word
	Third  uint64 // of what the word leads to, where it is a distance too
}

// RowSize is that of a row in memory, bytes.
const RowSize = 12

// maxRows bounds the bytes of a table.
const maxRows = 16 << 20

// Rows returns the rows of the kernel's own table between two of its symbols, such as
// __start___ex_table and __stop___ex_table, by At. It is nil where the image has no such
// table, or one with other rows, and it is read once. The slice is shared and must not be
// changed.
func (img *Image) Rows(start, stop string) []Row {
	c := &img.rows
	c.mu.Lock()
	defer c.mu.Unlock()
	rows, ok := c.byStart[start]
	if !ok {
		rows = img.readRows(start, stop)
		if c.byStart == nil {
			c.byStart = make(map[string][]Row)
		}
		c.byStart[start] = rows
	}
	return rows
}

// rowCache holds the rows of tables that were read, by the symbol at the start of each.
type rowCache struct {
	mu      sync.Mutex
	byStart map[string][]Row
}

func (img *Image) readRows(start, stop string) []Row {
	lo, hi := img.Lookup(start), img.Lookup(stop)
	if !img.kernel || len(lo) != 1 || len(hi) != 1 || hi[0].Addr <= lo[0].Addr {
		return nil
	}
	size := hi[0].Addr - lo[0].Addr
	if size > maxRows || size%RowSize != 0 {
		return nil
	}
	b := make([]byte, size)
	if img.ReadAddr(b, lo[0].Addr) != nil {
		return nil
	}
	return img.parseRows(b, lo[0].Addr)
}

// parseRows reads rows that stand at an address; nil when one is not about code.
func (img *Image) parseRows(b []byte, addr uint64) []Row {
	out := make([]Row, 0, len(b)/RowSize)
	from := func(off int) uint64 {
		return addr + uint64(off) + uint64(int64(int32(binary.LittleEndian.Uint32(b[off:]))))
	}
	for off := 0; off < len(b); off += RowSize {
		r := Row{from(off), from(off + 4), binary.LittleEndian.Uint32(b[off+8:]), from(off + 8)}
		if x := img.RegionAt(r.At); x == nil || !x.Exec && !x.Freed {
			return nil
		}
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b Row) int { return cmp.Compare(a.At, b.At) })
	return out
}
