package elfobj

import (
	"debug/elf"
	"fmt"
	"slices"
)

// tables is the part of the file header that tells where the header tables
// are, as it is in the file.
type tables struct {
	phoff, shoff     uint64
	phentsize, phnum uint16
	shentsize, shnum uint16
	shstrndx         uint16
	names            uint64 // index of the name table, with section 0 taken into account
}

// Offsets of fields in the file header, for messages.
const (
	offMachine   = 18
	offVersion   = 20
	offPhoff     = 32
	offShoff     = 40
	offEhsize    = 52
	offPhentsize = 54
	offPhnum     = 56
	offShentsize = 58
	offShnum     = 60
	offShstrndx  = 62
)

// readHeader reads the file header, and refuses what is not ELF64, little
// endian, x86-64.
func (f *File) readHeader() (*tables, error) {
	var b [ehdrSize]byte
	n := min(f.src.size, ehdrSize)
	if err := f.src.readFull(b[:n], 0); err != nil {
		return nil, f.wrap(err, nil, 0, "read file header")
	}
	if string(b[:4]) != elf.ELFMAG {
		return nil, f.wrap(ErrNotELF, nil, 0, "begins with % x", b[:min(n, 4)])
	}
	if n < ehdrSize {
		return nil, f.wrap(errTruncated, nil, n, "the file header has %d bytes, not %d", n, ehdrSize)
	}
	typ := elf.Type(le.Uint16(b[16:]))
	machine := elf.Machine(le.Uint16(b[offMachine:]))
	class, data := elf.Class(b[elf.EI_CLASS]), elf.Data(b[elf.EI_DATA])
	if data == elf.ELFDATA2MSB { // say what it is, not what it looks like
		machine = elf.Machine(uint16(b[offMachine])<<8 | uint16(b[offMachine+1]))
	}
	for _, c := range []struct {
		ok          bool
		off         uint64
		found, want any
	}{
		{class == elf.ELFCLASS64, elf.EI_CLASS, class, elf.ELFCLASS64},
		{data == elf.ELFDATA2LSB, elf.EI_DATA, data, elf.ELFDATA2LSB},
		{machine == elf.EM_X86_64, offMachine, machine, elf.EM_X86_64},
		{b[elf.EI_VERSION] == 1, elf.EI_VERSION, fmt.Sprintf("version %d", b[elf.EI_VERSION]), "version 1"},
		{le.Uint32(b[offVersion:]) == 1, offVersion, fmt.Sprintf("version %d", le.Uint32(b[offVersion:])), "version 1"},
		{typ >= elf.ET_REL && typ <= elf.ET_CORE, 16, typ, "ET_REL, ET_EXEC, ET_DYN or ET_CORE"},
	} {
		if !c.ok {
			return nil, f.wrap(ErrMachine, nil, c.off, "found %v (machine %v), want %v", c.found, machine, c.want)
		}
	}
	f.Header = Header{
		Type: typ, Machine: machine,
		OSABI: b[elf.EI_OSABI], ABIVersion: b[elf.EI_ABIVERSION],
		Flags: le.Uint32(b[48:]), Entry: le.Uint64(b[24:]),
	}
	if n := le.Uint16(b[offEhsize:]); n != ehdrSize {
		return nil, f.fail(nil, offEhsize, "file header size is %d, not %d", n, ehdrSize)
	}
	return &tables{
		phoff: le.Uint64(b[offPhoff:]), shoff: le.Uint64(b[offShoff:]),
		phentsize: le.Uint16(b[offPhentsize:]), phnum: le.Uint16(b[offPhnum:]),
		shentsize: le.Uint16(b[offShentsize:]), shnum: le.Uint16(b[offShnum:]),
		shstrndx: le.Uint16(b[offShstrndx:]),
	}, nil
}

// readSections reads the section header table and the names. A file with
// 0xff00 sections or more keeps the number in the size of section 0, and the
// index of the name table in its link (gABI "ELF Header", e_shnum and
// e_shstrndx).
func (f *File) readSections(h *tables) error {
	if h.shoff == 0 {
		if h.shnum != 0 {
			return f.fail(nil, offShnum, "%d sections but no section header table", h.shnum)
		}
		return nil
	}
	if h.shentsize != shdrSize {
		return f.fail(nil, offShentsize, "section header size is %d, not %d", h.shentsize, shdrSize)
	}
	first, err := f.src.bytes(h.shoff, shdrSize)
	if err != nil {
		return f.wrap(err, nil, h.shoff, "section header table")
	}
	n := uint64(h.shnum)
	if n == 0 {
		n = le.Uint64(first[32:])
	}
	if n == 0 {
		return f.fail(nil, h.shoff+32, "section header table with no sections")
	}
	if n > f.src.size/shdrSize || !f.src.has(h.shoff, n*shdrSize) {
		return f.wrap(errTruncated, nil, h.shoff, "%d section headers in a file of %#x bytes", n, f.src.size)
	}
	strndx := uint64(h.shstrndx)
	if h.shstrndx == maxUint16 {
		strndx = uint64(le.Uint32(first[40:]))
	}
	if strndx >= n {
		return f.fail(nil, offShstrndx, "section name table is section %d of %d", strndx, n)
	}
	h.names = strndx
	f.extendedShnum, f.extendedShstrndx = h.shnum == 0, h.shstrndx == maxUint16
	table, err := f.src.bytes(h.shoff, n*shdrSize)
	if err != nil {
		return f.wrap(err, nil, h.shoff, "section header table")
	}
	f.parseSections(table)
	return f.nameSections(table, h)
}

func (f *File) parseSections(table []byte) {
	n := len(table) / shdrSize
	all := make([]Section, n)
	f.Sections = make([]*Section, n)
	for i := range all {
		b := table[i*shdrSize:][:shdrSize]
		s := &all[i]
		s.SectionHeader = SectionHeader{
			Type:      elf.SectionType(le.Uint32(b[4:])),
			Flags:     elf.SectionFlag(le.Uint64(b[8:])),
			Addr:      le.Uint64(b[16:]),
			Offset:    le.Uint64(b[24:]),
			Size:      le.Uint64(b[32:]),
			Link:      le.Uint32(b[40:]),
			Info:      le.Uint32(b[44:]),
			Addralign: le.Uint64(b[48:]),
			Entsize:   le.Uint64(b[56:]),
		}
		s.Index = SectionIndex(i)
		s.file = f
		f.Sections[i] = s
	}
}

// nameSections cuts the names. It goes to the source directly: the check for
// overlaps belongs to the use of data, and its messages need names.
func (f *File) nameSections(table []byte, h *tables) error {
	if h.names == 0 {
		return nil // no name table; all names are empty
	}
	s := f.Sections[h.names]
	if s.Type != elf.SHT_STRTAB {
		return f.fail(s, h.shoff+h.names*shdrSize+4, "section name table is of type %v", s.Type)
	}
	b, err := f.src.bytes(s.Offset, s.Size)
	if err != nil {
		return f.wrap(err, s, s.Offset, "section name table")
	}
	names := strtab{data: b}
	total := uint64(0)
	for i, s := range f.Sections {
		off := le.Uint32(table[i*shdrSize:])
		if off == 0 && i == 0 {
			continue
		}
		name, ok := names.at(uint64(off))
		if !ok {
			return f.fail(s, h.shoff+uint64(i)*shdrSize, "name at %#x is not within the %#x bytes of the name table", off, len(b))
		}
		s.Name = name
		total += uint64(len(name))
	}
	if total > names.nameBudget(len(f.Sections)) {
		return f.fail(s, s.Offset, "%d section names have %#x bytes together", len(f.Sections), total)
	}
	f.shstrtab, f.names = s.Index, b
	return nil
}

// readProgs reads the program headers. With PN_XNUM the number is in the info
// field of section 0 (Linux man page elf(5); cores of processes with many
// mappings have that).
func (f *File) readProgs(h *tables) error {
	n := uint64(h.phnum)
	if h.phnum == maxUint16 && len(f.Sections) > 0 {
		n = uint64(f.Sections[0].Info)
	}
	if n == 0 || h.phoff == 0 {
		return nil
	}
	if h.phentsize != phdrSize {
		return f.fail(nil, offPhentsize, "program header size is %d, not %d", h.phentsize, phdrSize)
	}
	table, err := f.src.bytes(h.phoff, n*phdrSize)
	if err != nil {
		return f.wrap(err, nil, h.phoff, "%d program headers", n)
	}
	f.Progs = slices.Grow(f.Progs, int(n))
	for b := table; len(b) > 0; b = b[phdrSize:] {
		f.Progs = append(f.Progs, Prog{
			Type:   elf.ProgType(le.Uint32(b)),
			Flags:  elf.ProgFlag(le.Uint32(b[4:])),
			Off:    le.Uint64(b[8:]),
			Vaddr:  le.Uint64(b[16:]),
			Paddr:  le.Uint64(b[24:]),
			Filesz: le.Uint64(b[32:]),
			Memsz:  le.Uint64(b[40:]),
			Align:  le.Uint64(b[48:]),
		})
	}
	return nil
}
