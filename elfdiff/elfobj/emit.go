package elfobj

import (
	"bufio"
	"debug/elf"
)

// write writes everything. Errors of the writer stick and are seen by Flush.
func (l *layout) write(w *bufio.Writer) {
	w.Write(l.header())
	off := uint64(ehdrSize)
	for i := range l.spec.Sections {
		h := &l.spec.Sections[i].SectionHeader
		if !h.hasBytes() {
			continue
		}
		pad(w, h.Offset-off)
		w.Write(l.content(SectionIndex(i)))
		off = h.Offset + h.Size
	}
	if len(l.spec.Sections) > 0 {
		pad(w, l.shoff-off)
		l.writeSectionHeaders(w)
	}
}

// zeros is what padding is taken from.
var zeros [maxFileAlign]byte

func pad(w *bufio.Writer, n uint64) {
	for n > 0 {
		k := min(n, uint64(len(zeros)))
		w.Write(zeros[:k])
		n -= k
	}
}

// extendedCounts returns what section 0 holds when the 16 bit fields of the
// file header are too small, as it is when they are not.
func (l *layout) extendedCounts() (shnum, shstrndx uint16, size uint64, link uint32) {
	null := &l.spec.Sections[0]
	n, strndx := len(l.spec.Sections), l.spec.Shstrtab
	shnum, shstrndx, size, link = uint16(n), uint16(strndx), null.Size, null.Link
	if n >= int(elf.SHN_LORESERVE) {
		shnum, size = 0, uint64(n)
	}
	if strndx >= SectionIndex(elf.SHN_LORESERVE) {
		shstrndx, link = uint16(elf.SHN_XINDEX), uint32(strndx)
	}
	return shnum, shstrndx, size, link
}

func (l *layout) header() []byte {
	h := l.spec.Header
	b := make([]byte, ehdrSize)
	copy(b, elf.ELFMAG)
	b[elf.EI_CLASS], b[elf.EI_DATA], b[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)
	b[elf.EI_OSABI], b[elf.EI_ABIVERSION] = h.OSABI, h.ABIVersion
	le.PutUint16(b[16:], uint16(elf.ET_REL))
	le.PutUint16(b[offMachine:], uint16(elf.EM_X86_64))
	le.PutUint32(b[offVersion:], uint32(elf.EV_CURRENT))
	le.PutUint64(b[24:], h.Entry)
	le.PutUint32(b[48:], h.Flags)
	le.PutUint16(b[offEhsize:], ehdrSize)
	if len(l.spec.Sections) > 0 {
		shnum, shstrndx, _, _ := l.extendedCounts()
		le.PutUint64(b[offShoff:], l.shoff)
		le.PutUint16(b[offShentsize:], shdrSize)
		le.PutUint16(b[offShnum:], shnum)
		le.PutUint16(b[offShstrndx:], shstrndx)
	}
	return b
}

func (l *layout) writeSectionHeaders(w *bufio.Writer) {
	var b [shdrSize]byte
	for i := range l.spec.Sections {
		h := l.spec.Sections[i].SectionHeader
		name := uint32(0)
		if i > 0 || h.Name != "" {
			name = l.shstring.offset(h.Name)
		}
		if i == 0 {
			_, _, h.Size, h.Link = l.extendedCounts()
		}
		le.PutUint32(b[0:], name)
		le.PutUint32(b[4:], uint32(h.Type))
		le.PutUint64(b[8:], uint64(h.Flags))
		le.PutUint64(b[16:], h.Addr)
		le.PutUint64(b[24:], h.Offset)
		le.PutUint64(b[32:], h.Size)
		le.PutUint32(b[40:], h.Link)
		le.PutUint32(b[44:], h.Info)
		le.PutUint64(b[48:], h.Addralign)
		le.PutUint64(b[56:], h.Entsize)
		w.Write(b[:])
	}
}

// content returns the bytes of section i, valid until the next call.
func (l *layout) content(i SectionIndex) []byte {
	s := l.spec
	sec := &s.Sections[i]
	switch {
	case i == s.Symtab:
		return l.symbols()
	case i == s.SymtabShndx:
		return l.extended()
	case i == s.Strtab:
		return l.strings.table
	case i == s.Shstrtab:
		return l.shstring.table
	case sec.Type == elf.SHT_GROUP:
		return l.group(sec.Group)
	case s.hasRelas(sec):
		return l.relas(sec.Relas)
	}
	return sec.Data
}

// buffer returns n bytes to fill, valid until the next call.
func (l *layout) buffer(n int) []byte {
	if cap(l.scratch) < n {
		l.scratch = make([]byte, n)
	}
	return l.scratch[:n]
}

// rawIndex returns st_shndx and the entry of SHT_SYMTAB_SHNDX.
func rawIndex(i SectionIndex) (uint16, uint32) {
	if i >= SectionIndex(elf.SHN_LORESERVE) && !i.IsReserved() {
		return uint16(elf.SHN_XINDEX), uint32(i)
	}
	return uint16(i), 0
}

func (l *layout) symbols() []byte {
	syms := l.spec.Symbols
	out := l.buffer(len(syms) * symSize)
	for i := range syms {
		sym, b := &syms[i], out[i*symSize:][:symSize]
		raw, _ := rawIndex(sym.Section)
		le.PutUint32(b[0:], l.strings.offset(sym.Name))
		b[4], b[5] = sym.Info, sym.Other
		le.PutUint16(b[6:], raw)
		le.PutUint64(b[8:], sym.Value)
		le.PutUint64(b[16:], sym.Size)
	}
	return out
}

func (l *layout) extended() []byte {
	out := l.buffer(len(l.spec.Symbols) * wordSize)
	for i := range l.spec.Symbols {
		_, x := rawIndex(l.spec.Symbols[i].Section)
		le.PutUint32(out[i*wordSize:], x)
	}
	return out
}

func (l *layout) relas(relas []Rela) []byte {
	out := l.buffer(len(relas) * relaSize)
	for i, r := range relas {
		b := out[i*relaSize:][:relaSize]
		le.PutUint64(b[0:], r.Offset)
		le.PutUint64(b[8:], uint64(r.Sym)<<32|uint64(r.Type))
		le.PutUint64(b[16:], uint64(r.Addend))
	}
	return out
}

func (l *layout) group(g *Group) []byte {
	out := l.buffer((len(g.Members) + 1) * wordSize)
	le.PutUint32(out, g.Flags)
	for i, m := range g.Members {
		le.PutUint32(out[(i+1)*wordSize:], uint32(m))
	}
	return out
}
