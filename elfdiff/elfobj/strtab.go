package elfobj

import (
	"bytes"
	"unsafe"
)

// strBlock is how far a string is searched for its end before the index is
// built. Longer names are rare: C++ and Rust have some.
const strBlock = 512

// A strtab cuts strings out of a string table (gABI "String Table"). The
// strings share the memory of the table.
//
// Many names may point into one long run of bytes without a NUL. Searching the
// end for each would take quadratic time, hence an index of the first NUL at
// or after the start of each block, built when the first long string is met.
type strtab struct {
	data []byte
	ends []uint64
}

// at returns the string at off, and false when off is out of range or the
// string does not end within the table.
func (t *strtab) at(off uint64) (string, bool) {
	size := uint64(len(t.data))
	if off >= size {
		return "", false
	}
	if n := bytes.IndexByte(t.data[off:min(off+strBlock, size)], 0); n >= 0 {
		return unsafe.String(&t.data[off], n), true
	}
	if t.ends == nil {
		t.index()
	}
	block := off/strBlock + 1
	if block >= uint64(len(t.ends)) || t.ends[block] == size {
		return "", false
	}
	return unsafe.String(&t.data[off], t.ends[block]-off), true
}

// Strings cuts strings out of a string table that is not a section, such as that
// of a dynamic section in memory. The strings share the memory of the table.
type Strings struct{ t strtab }

// NewStrings returns the strings of a table, which must not be changed any more.
func NewStrings(table []byte) *Strings { return &Strings{strtab{data: table}} }

// At returns the string at an offset in bytes; ok is false when that is out of
// range, or the string does not end within the table.
func (s *Strings) At(off uint64) (name string, ok bool) { return s.t.at(off) }

// Budget returns how many bytes n names of the table may have together. Names
// that overlap would take quadratic time otherwise.
func (s *Strings) Budget(n int) uint64 { return s.t.nameBudget(n) }

func (t *strtab) index() {
	size := uint64(len(t.data))
	t.ends = make([]uint64, (size+strBlock-1)/strBlock)
	next := size
	for i := len(t.ends) - 1; i >= 0; i-- {
		start := uint64(i) * strBlock
		if n := bytes.IndexByte(t.data[start:min(start+strBlock, size)], 0); n >= 0 {
			next = start + uint64(n)
		}
		t.ends[i] = next
	}
}

// maxMeanName bounds the mean length of names that overlap each other in the
// string table, in bytes. Compilers write distinct strings, and linkers share
// equal ones and tails. Without a bound a file of one megabyte could hold
// forty thousand names of half a megabyte each, and whoever hashes the names
// would never finish.
const maxMeanName = 4096

// nameBudget is the number of bytes that n names from a table may have
// together.
func (t *strtab) nameBudget(n int) uint64 {
	return uint64(n)*maxMeanName + uint64(len(t.data))
}

// StringEnd returns the offset behind the terminator of the string at off,
// whose characters are unit bytes wide; the end of data where there is none.
func StringEnd(data []byte, off, unit uint64) uint64 {
	n := uint64(len(data))
	if off >= n || unit == 0 {
		return n
	}
	if unit == 1 {
		if i := bytes.IndexByte(data[off:], 0); i >= 0 {
			return off + uint64(i) + 1
		}
		return n
	}
	for ; unit <= n-off; off += unit {
		if len(bytes.Trim(data[off:off+unit], "\x00")) == 0 {
			return off + unit
		}
	}
	return n
}
