package dwarf

import (
	"bytes"
	"cmp"
	"debug/elf"
	"encoding/binary"
	"math"
	"slices"
	"sort"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
)

var le = binary.LittleEndian

// Addr is a place in a section of the object. Section 0 is for a number that
// no relocation made an address of.
type Addr struct {
	Section elfobj.SectionIndex
	Offset  uint64 // bytes
}

// add returns the place n bytes further on.
func (a Addr) add(n uint64) Addr { return Addr{a.Section, a.Offset + n} }

// section is a debug section, loaded when it is first read.
type section struct {
	name string
	file *elfobj.File
	sec  *elfobj.Section // nil when the object has none

	data lazy[[]byte]
	rels lazy[*relocs]
}

// bytes returns the content without relocations: their fields hold zeros.
func (s *section) bytes() ([]byte, error) {
	if s.data.ready() {
		return s.data.v, s.data.err
	}
	return s.data.get(func() ([]byte, error) {
		if s.sec == nil {
			return nil, ErrNone
		}
		b, err := s.sec.Uncompressed()
		if err == nil && uint64(len(b)) > math.MaxUint32 {
			err = s.fail(0, "%#x bytes are more than 32-bit DWARF can have", len(b))
		}
		return b, err
	})
}

// size is that of the content, 0 when it can't be read.
func (s *section) size() uint64 {
	b, _ := s.bytes()
	return uint64(len(b))
}

// relocs are the relocations of a section as they stand in the file, by
// offset.
type relocs struct {
	raw  []byte // Elf64_Rela
	syms []elfobj.Symbol
	// first holds for each block of the section the index of the first
	// relocation that is in it or behind it.
	first []uint32
}

const (
	relaSize  = 24 // of Elf64_Rela
	blockBits = 6  // blocks of 64 bytes hold a few relocations
)

func (s *section) relocs() (*relocs, error) {
	if s.rels.ready() {
		return s.rels.v, s.rels.err
	}
	return s.rels.get(func() (*relocs, error) {
		data, err := s.bytes()
		if err != nil {
			return nil, err
		}
		r := &relocs{}
		if r.syms, err = s.file.Symbols(); err != nil {
			return nil, err
		}
		if r.raw, err = rawRelas(s.file, s.sec.Index); err != nil || len(r.raw) == 0 {
			return r, err
		}
		r.index(uint64(len(data)))
		return r, nil
	})
}

// rawRelas returns the relocation section of section i, or all of them one
// after the other when there are several.
func rawRelas(f *elfobj.File, i elfobj.SectionIndex) ([]byte, error) {
	sections, err := f.RelaSections(i)
	if err != nil {
		return nil, err
	}
	var raw []byte
	for s := range sections {
		if s.Type != elf.SHT_RELA || s.Entsize != relaSize || s.Size%relaSize != 0 {
			return nil, &FormatError{Section: s.Name, Msg: "not a table of relocations with addends"}
		}
		b, err := s.Data()
		if err != nil {
			return nil, err
		}
		if raw == nil {
			raw = b
		} else {
			raw = append(raw[:len(raw):len(raw)], b...)
		}
	}
	return raw, nil
}

// index fills in first. Relocations are in order wherever an assembler wrote
// them; a copy is sorted where they are not.
func (r *relocs) index(size uint64) {
	n := len(r.raw) / relaSize
	for i := 1; i < n; i++ {
		if r.offset(i) < r.offset(i-1) {
			r.sort(n)
			break
		}
	}
	r.first = make([]uint32, size>>blockBits+2)
	block := uint64(0)
	for i := range n {
		b := min(r.offset(i)>>blockBits, uint64(len(r.first)-1))
		for ; block <= b; block++ {
			r.first[block] = uint32(i)
		}
	}
	for ; block < uint64(len(r.first)); block++ {
		r.first[block] = uint32(n)
	}
}

func (r *relocs) sort(n int) {
	entries := make([][relaSize]byte, n)
	for i := range entries {
		copy(entries[i][:], r.raw[i*relaSize:])
	}
	slices.SortStableFunc(entries, func(a, b [relaSize]byte) int {
		return cmp.Compare(le.Uint64(a[:]), le.Uint64(b[:]))
	})
	raw := make([]byte, 0, len(r.raw))
	for i := range entries {
		raw = append(raw, entries[i][:]...)
	}
	r.raw = raw
}

func (r *relocs) offset(i int) uint64 { return le.Uint64(r.raw[i*relaSize:]) }

// at returns the relocation of the field at off, or nil.
func (r *relocs) at(off uint64) []byte {
	b := off >> blockBits
	if b+1 >= uint64(len(r.first)) {
		return nil
	}
	lo, hi := int(r.first[b]), int(r.first[b+1])
	if hi-lo > 1<<blockBits { // more than the block has bytes, which no compiler makes
		lo += sort.Search(hi-lo, func(i int) bool { return r.offset(lo+i) >= off })
	}
	for ; lo < hi; lo++ {
		switch e := r.raw[lo*relaSize:]; {
		case le.Uint64(e) == off:
			return e[:relaSize]
		case le.Uint64(e) > off:
			return nil
		}
	}
	return nil
}

// field reads the number of size bytes at off, with its relocation. ok is
// false when it reaches out of the section, or its relocation is none that
// gives such a field an address of the object (psABI section 4.4.1: S + A).
func (s *section) field(off uint64, size int) (a Addr, ok bool) {
	data, err := s.bytes()
	if err != nil || off > uint64(len(data)) || uint64(size) > uint64(len(data))-off {
		return Addr{}, false
	}
	r, err := s.relocs()
	if err != nil {
		return Addr{}, false
	}
	return r.field(data, off, size)
}

// field reads a number that is within data.
func (r *relocs) field(data []byte, off uint64, size int) (a Addr, ok bool) {
	e := r.at(off)
	if e == nil {
		return Addr{Offset: fixed(data[off:], size)}, true
	}
	info := le.Uint64(e[8:])
	typ, sym := elf.R_X86_64(uint32(info)), info>>32
	wide := size == 8 && typ == elf.R_X86_64_64
	if !wide && (size != 4 || typ != elf.R_X86_64_32 && typ != elf.R_X86_64_32S) || sym >= uint64(len(r.syms)) {
		return Addr{}, false
	}
	y := &r.syms[sym]
	if sym != 0 && (!y.IsDefined() || y.Section == elfobj.SecCommon) {
		return Addr{}, false
	}
	a = Addr{y.Section, y.Value + le.Uint64(e[16:])}
	if a.Section.IsReserved() {
		a.Section = 0 // absolute
	}
	return a, true
}

// word is field for an offset into another debug section.
func (s *section) word(off uint64) (uint64, bool) {
	a, ok := s.field(off, 4)
	return a.Offset, ok
}

// fixed reads a little-endian number. b is long enough.
func fixed(b []byte, size int) uint64 {
	switch size {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(le.Uint16(b))
	case 3:
		return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16
	case 4:
		return uint64(le.Uint32(b))
	case 8:
		return le.Uint64(b)
	}
	return 0
}

// text returns the NUL-terminated string at off, sliced. ok is false when it
// is not in the section.
func (s *section) text(off uint64) (b []byte, ok bool) {
	data, err := s.bytes()
	if err != nil || off >= uint64(len(data)) {
		return nil, false
	}
	return cut(data[off:])
}

func cut(b []byte) ([]byte, bool) {
	i := bytes.IndexByte(b, 0)
	if i < 0 {
		return nil, false
	}
	return b[:i:i], true
}
