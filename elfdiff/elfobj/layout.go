package elfobj

import (
	"bufio"
	"debug/elf"
	"io"
	"math"
	"strings"
)

// maxFileAlign bounds the alignment of sections within the file, in bytes. The
// alignment in memory is what the header says and may be large; in the file
// nobody needs more than a page, and padding can't be used to blow up a file.
const maxFileAlign = 4096

// A layout is a Spec made ready to be written: the contents are sized, the
// names have offsets, the sections places.
type layout struct {
	spec     *Spec // a copy, which may have one section more
	strings  *stringWriter
	shstring *stringWriter // the same as strings if the file has one table for both
	shoff    uint64
	scratch  []byte
}

// WriteTo writes the object. The same Spec gives the same bytes: file header,
// sections in order of their indices, section header table. It returns a
// [*SpecError] before anything is written if the Spec can't be expressed.
func (s *Spec) WriteTo(w io.Writer) (int64, error) {
	if err := s.check(); err != nil {
		return 0, err
	}
	l, err := s.layout()
	if err != nil {
		return 0, err
	}
	c := &countingWriter{w: w}
	bw := bufio.NewWriterSize(c, int(min(l.shoff+uint64(len(l.spec.Sections))*shdrSize, 64<<10)))
	l.write(bw)
	err = bw.Flush()
	return c.n, err
}

// A countingWriter knows how many bytes arrived.
type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// layout gives every section its size, its links and its place.
func (s *Spec) layout() (*layout, error) {
	spec := *s
	spec.Sections = append(make([]SpecSection, 0, len(s.Sections)+1), s.Sections...)
	if spec.SymtabShndx == 0 && spec.needsExtended() {
		spec.SymtabShndx = SectionIndex(len(spec.Sections))
		spec.Sections = append(spec.Sections, SpecSection{SectionHeader: extendedHeader(spec.Symtab)})
	}
	l := &layout{spec: &spec}
	if err := l.nameAll(); err != nil {
		return nil, err
	}
	off := uint64(ehdrSize)
	for i := range spec.Sections {
		l.size(SectionIndex(i))
		h := &spec.Sections[i].SectionHeader
		if h.Type == elf.SHT_NULL {
			h.Offset = 0
			continue
		}
		align := min(max(h.Addralign, 1), maxFileAlign)
		off = (off + align - 1) &^ (align - 1)
		h.Offset = off
		if h.Type != elf.SHT_NOBITS {
			off += h.Size
		}
	}
	l.shoff = (off + 7) &^ 7
	return l, nil
}

// extendedHeader is the header of the table of extended section indices.
func extendedHeader(symtab SectionIndex) SectionHeader {
	return SectionHeader{
		Name: ".symtab_shndx", Type: elf.SHT_SYMTAB_SHNDX,
		Link: uint32(symtab), Addralign: wordSize, Entsize: wordSize,
	}
}

// needsExtended reports whether a symbol is in a section that 16 bits can't
// name.
func (s *Spec) needsExtended() bool {
	if len(s.Sections) <= int(elf.SHN_LORESERVE) {
		return false
	}
	for i := range s.Symbols {
		if x := s.Symbols[i].Section; x >= SectionIndex(elf.SHN_LORESERVE) && !x.IsReserved() {
			return true
		}
	}
	return false
}

// nameAll makes the string tables.
func (l *layout) nameAll() error {
	s := l.spec
	l.strings, l.shstring = new(stringWriter), new(stringWriter)
	if s.Strtab != 0 {
		l.strings.seed = s.Sections[s.Strtab].Data
	}
	if s.Shstrtab != 0 {
		l.shstring.seed = s.Sections[s.Shstrtab].Data
	}
	if s.Strtab == s.Shstrtab {
		l.shstring = l.strings
	}
	for i := range s.Sections {
		if strings.IndexByte(s.Sections[i].Name, 0) >= 0 {
			return s.fail(i, "name with a NUL byte")
		}
		if i > 0 || s.Sections[i].Name != "" { // the null section has no name, not an empty one
			l.shstring.add(s.Sections[i].Name)
		}
	}
	for i := range s.Symbols {
		if strings.IndexByte(s.Symbols[i].Name, 0) >= 0 {
			return s.failSymbol(i, "name with a NUL byte")
		}
		l.strings.add(s.Symbols[i].Name)
	}
	l.strings.finish(s.ShareTails)
	if l.shstring != l.strings {
		l.shstring.finish(s.ShareTails)
	}
	if len(l.strings.table) > math.MaxUint32 || len(l.shstring.table) > math.MaxUint32 {
		return &SpecError{Msg: "string table larger than 4 GiB"}
	}
	return nil
}

// size sets those header fields of section i that follow from its content.
func (l *layout) size(i SectionIndex) {
	s := l.spec
	sec := &s.Sections[i]
	h := &sec.SectionHeader
	switch {
	case i == 0 || h.Type == elf.SHT_NULL || h.Type == elf.SHT_NOBITS:
	case i == s.Symtab:
		h.Size, h.Link, h.Info = uint64(len(s.Symbols))*symSize, uint32(s.Strtab), uint32(s.localSymbols())
		h.Entsize = symSize
	case i == s.SymtabShndx:
		h.Size, h.Link, h.Entsize = uint64(len(s.Symbols))*wordSize, uint32(s.Symtab), wordSize
	case i == s.Strtab:
		h.Size = uint64(len(l.strings.table))
	case i == s.Shstrtab:
		h.Size = uint64(len(l.shstring.table))
	case h.Type == elf.SHT_GROUP:
		h.Size = uint64(len(sec.Group.Members)+1) * wordSize
		h.Link, h.Info, h.Entsize = uint32(s.Symtab), uint32(sec.Group.Signature), wordSize
	case s.hasRelas(sec):
		h.Size, h.Entsize = uint64(len(sec.Relas))*relaSize, relaSize
	default:
		h.Size = uint64(len(sec.Data))
	}
}
