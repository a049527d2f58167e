package elfobj

import (
	"debug/elf"
	"fmt"
	"iter"
	"slices"
	"sync/atomic"
)

// SectionIndex is an index into [File.Sections], 0 being SHN_UNDEF.
//
// Symbols also have reserved indices (gABI "Special Section Indexes"). As
// there may be more than 65,279 sections, the raw values 0xff00..0xfffe would
// be ambiguous; they become 0xffffff00..0xfffffffe here. For instance
// SHN_LIVEPATCH, 0xff20 in include/uapi/linux/elf.h of Linux 6.1, is
// 0xffffff20. The raw value 0xffff, SHN_XINDEX, never appears: it is resolved.
type SectionIndex uint32

// Section indices with a meaning of their own.
const (
	SecUndef     SectionIndex = 0
	SecLivepatch SectionIndex = 0xffffff20 // the symbol is resolved by livepatch; Linux 6.1 include/uapi/linux/elf.h
	SecAbs       SectionIndex = 0xfffffff1 // the value is absolute
	SecCommon    SectionIndex = 0xfffffff2 // not yet allocated; the value is the alignment
)

// reservedBase is what separates a reserved index from its raw value.
const (
	reservedBase SectionIndex = 0xffff0000
	reservedLow  SectionIndex = reservedBase | SectionIndex(elf.SHN_LORESERVE)
)

// IsReserved reports whether i names no section but has a meaning of its own.
// SecUndef is not reserved in this sense.
func (i SectionIndex) IsReserved() bool { return i >= reservedLow }

// SectionHeader is the header of a section (gABI "Section Header"). Headers
// can be compared by ==.
type SectionHeader struct {
	Name      string
	Type      elf.SectionType
	Flags     elf.SectionFlag
	Addr      uint64 // run address, 0 in relocatable objects
	Offset    uint64 // in the file, bytes
	Size      uint64 // bytes; of the compressed data if SHF_COMPRESSED
	Link      uint32 // a section, depending on Type
	Info      uint32 // a section or a symbol, depending on Type and Flags
	Addralign uint64 // bytes; 0 and 1 mean none
	Entsize   uint64 // bytes; 0 when the section is no table
}

// A Section is a section of a [File].
type Section struct {
	SectionHeader
	Index SectionIndex

	file  *File
	cache atomic.Pointer[sectionCache]
}

// A sectionCache holds what was made from a section's bytes. Most sections
// never need one.
type sectionCache struct {
	data    lazy[[]byte]
	plain   lazy[[]byte]
	entries lazy[[]Rela] // of a SHT_RELA section
	applied lazy[[]Rela] // to this section
}

func (s *Section) cached() *sectionCache {
	if c := s.cache.Load(); c != nil {
		return c
	}
	s.cache.CompareAndSwap(nil, new(sectionCache))
	return s.cache.Load()
}

// label names the section in messages.
func (s *Section) label() string {
	if s.Name == "" {
		return fmt.Sprintf("#%d", s.Index)
	}
	return s.Name
}

// hasBytes reports whether the section occupies bytes of the file.
func (h *SectionHeader) hasBytes() bool {
	return h.Type != elf.SHT_NOBITS && h.Type != elf.SHT_NULL && h.Size != 0
}

// Data returns the bytes of the section as they are in the file, which means
// still compressed if it is SHF_COMPRESSED. It is nil for SHT_NOBITS and
// SHT_NULL, which have no bytes in the file.
//
// The bytes are shared and must not be changed. A file in memory is sliced; of
// other files the section is read once and kept.
//
// A section that reaches beyond the end of the file, or whose bytes overlap
// those of another section, is a [*FormatError].
func (s *Section) Data() ([]byte, error) {
	switch {
	case s.Type == elf.SHT_NOBITS || s.Type == elf.SHT_NULL:
		return nil, nil
	case s.Size == 0:
		return []byte{}, nil
	case s.file.src.r == nil:
		return s.read()
	}
	if _, ok := s.file.src.slice(s.Offset, s.Size); ok {
		return s.read()
	}
	return s.cached().data.get(s.read)
}

// ReadPart fills p with the bytes of the section from off on, as [Section.Data] has
// them, without keeping any. A part that is not in the section or not in the file
// is a [*FormatError].
func (s *Section) ReadPart(p []byte, off uint64) error {
	if s.file == nil {
		return errNoFile
	}
	n := uint64(len(p))
	if !s.hasBytes() || off > s.Size || n > s.Size-off || !s.file.src.has(s.Offset, s.Size) {
		return s.file.wrap(errTruncated, s, s.Offset, "%#x bytes at %#x of %#x bytes", n, off, s.Size)
	}
	if err := s.file.src.readFull(p, s.Offset+off); err != nil {
		return s.file.wrap(err, s, s.Offset, "read %#x bytes at %#x", n, off)
	}
	return nil
}

func (s *Section) read() ([]byte, error) {
	f := s.file
	if !f.src.has(s.Offset, s.Size) {
		return nil, f.wrap(errTruncated, s, s.Offset, "%#x bytes in a file of %#x bytes", s.Size, f.src.size)
	}
	if other := f.overlap(s); other != nil {
		return nil, f.fail(s, s.Offset, "%#x bytes overlap section %s, %#x bytes at %#x",
			s.Size, other.label(), other.Size, other.Offset)
	}
	if f.names != nil && s.Index == f.shstrtab {
		return f.names, nil // the memory that the names were cut from
	}
	b, err := f.src.bytes(s.Offset, s.Size)
	if err != nil {
		return nil, f.wrap(err, s, s.Offset, "read %#x bytes", s.Size)
	}
	return b, nil
}

// overlap returns a section that shares bytes of the file with s, or nil.
func (f *File) overlap(s *Section) *Section {
	m, _ := f.overlaps.get(f.findOverlaps)
	if i, ok := m[s.Index]; ok {
		return f.Sections[i]
	}
	return nil
}

// findOverlaps finds all sections that overlap another by going through them
// by offset, looking at the section that reaches furthest so far. Any section
// that overlaps some other also overlaps the furthest one at the time when the
// later of the two is met, or was itself the furthest and met by another.
func (f *File) findOverlaps() (map[SectionIndex]SectionIndex, error) {
	order := make([]*Section, 0, len(f.Sections))
	for _, s := range f.Sections {
		if s.hasBytes() && f.src.has(s.Offset, s.Size) {
			order = append(order, s)
		}
	}
	byOffset := func(a, b *Section) int {
		if a.Offset < b.Offset {
			return -1
		}
		if a.Offset > b.Offset {
			return 1
		}
		return int(a.Index) - int(b.Index)
	}
	if !slices.IsSortedFunc(order, byOffset) {
		slices.SortFunc(order, byOffset)
	}
	var found map[SectionIndex]SectionIndex
	mark := func(s, other *Section) {
		if found == nil {
			found = make(map[SectionIndex]SectionIndex)
		}
		if _, ok := found[s.Index]; !ok {
			found[s.Index] = other.Index
		}
	}
	var furthest *Section
	for _, s := range order {
		if furthest != nil && s.Offset < furthest.Offset+furthest.Size {
			mark(s, furthest)
			mark(furthest, s)
		}
		if furthest == nil || s.Offset+s.Size > furthest.Offset+furthest.Size {
			furthest = s
		}
	}
	return found, nil
}

// Section returns the section with an index from the file, such as a symbol's.
// It is nil for SecUndef, reserved indices and indices out of range.
func (f *File) Section(i SectionIndex) *Section {
	if i == SecUndef || uint64(i) >= uint64(len(f.Sections)) {
		return nil
	}
	return f.Sections[i]
}

// SectionsNamed yields the sections of that name in file order. Names are not
// unique: with COMDAT groups there may be thousands of the same name.
func (f *File) SectionsNamed(name string) iter.Seq[*Section] {
	return func(yield func(*Section) bool) {
		if f.searches.Add(1) > maxSearches {
			x, _ := f.byName.get(f.indexNames)
			for i := x.first[name]; i != 0; i = x.next[i] {
				if !yield(f.Sections[i]) {
					return
				}
			}
			return
		}
		for i := 1; i < len(f.Sections); i++ {
			if f.Sections[i].Name == name && !yield(f.Sections[i]) {
				return
			}
		}
	}
}

// maxSearches is how many names are searched for before there is an index of
// them: an index costs as much as a few dozen searches, and most files are asked
// for a handful of names.
const maxSearches = 16

// A nameIndex finds sections by name.
type nameIndex struct {
	first map[string]SectionIndex
	next  []SectionIndex // the next one of the same name, 0 if none
}

func (f *File) indexNames() (nameIndex, error) {
	x := nameIndex{make(map[string]SectionIndex, len(f.Sections)), make([]SectionIndex, len(f.Sections))}
	for i := len(f.Sections) - 1; i > 0; i-- {
		name := f.Sections[i].Name
		x.next[i] = x.first[name]
		x.first[name] = SectionIndex(i)
	}
	return x, nil
}
