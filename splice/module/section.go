package module

import (
	"debug/elf"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// A section of the module, as it grows.
type section struct {
	name   string
	typ    elf.SectionType
	flags  elf.SectionFlag
	align  uint64
	ent    uint64
	data   []byte
	size   uint64 // of .bss
	relas  []elfobj.Rela
	index  elfobj.SectionIndex
	anchor elfobj.SymbolIndex // its section symbol
}

// len returns where the next byte goes.
func (s *section) len() uint64 { return max(uint64(len(s.data)), s.size) }

// pad aligns the end. Code is filled with int3, which nothing runs into.
func (s *section) pad(align uint64) {
	s.align = max(s.align, align)
	if align == 0 {
		return
	}
	n := (align - s.len()%align) % align
	if s.typ == elf.SHT_NOBITS {
		s.size += n
		return
	}
	fill := byte(0)
	if s.flags&elf.SHF_EXECINSTR != 0 {
		fill = amd64.FillInt3
	}
	for range n {
		s.data = append(s.data, fill)
	}
}

// append adds aligned bytes, and returns where they went.
func (s *section) append(align uint64, b []byte) uint64 {
	s.pad(align)
	at := s.len()
	s.data = append(s.data, b...)
	return at
}

// rela adds a relocation.
func (s *section) rela(off uint64, typ elf.R_X86_64, sym elfobj.SymbolIndex, addend int64) {
	s.relas = append(s.relas, elfobj.Rela{Offset: off, Type: uint32(typ), Sym: sym, Addend: addend})
}

const (
	flagsA  = elf.SHF_ALLOC
	flagsAX = elf.SHF_ALLOC | elf.SHF_EXECINSTR
	flagsWA = elf.SHF_ALLOC | elf.SHF_WRITE
)

// section returns the module's section of a name, and makes it if need be.
func (b *builder) section(name string, typ elf.SectionType, flags elf.SectionFlag, align uint64) *section {
	if s := b.secs[name]; s != nil {
		s.align = max(s.align, align)
		return s
	}
	s := &section{name: name, typ: typ, flags: flags, align: max(align, 1)}
	s.index = b.out.AddSection(elfobj.SectionHeader{Name: name, Type: typ, Flags: flags}, nil)
	s.anchor = b.out.AddSymbol(elfobj.Symbol{Info: elf.ST_INFO(elf.STB_LOCAL, elf.STT_SECTION), Section: s.index})
	b.secs[name] = s
	b.order = append(b.order, s)
	return s
}

func (b *builder) text() *section   { return b.section(kerneltab.Text, elf.SHT_PROGBITS, flagsAX, 16) }
func (b *builder) rodata() *section { return b.section(kerneltab.Rodata, elf.SHT_PROGBITS, flagsA, 8) }
func (b *builder) data() *section   { return b.section(kerneltab.Data, elf.SHT_PROGBITS, flagsWA, 8) }

// string puts a string into read-only data, once.
func (b *builder) string(s string) (*section, uint64) {
	r := b.rodata()
	at, ok := b.strings[s]
	if !ok {
		at = r.append(1, append([]byte(s), 0))
		b.strings[s] = at
	}
	return r, at
}

// literal returns how to reach a string.
func (b *builder) literal(s string) target {
	r, at := b.string(s)
	return target{symbol: r.anchor, addend: int64(at)}
}

// flush hands the sections over to the ELF builder.
func (b *builder) flush() {
	for _, s := range b.order {
		out := b.out.Section(s.index)
		out.Addralign, out.Entsize = s.align, s.ent
		if s.typ == elf.SHT_NOBITS {
			out.Size = s.size
		} else {
			out.Data, out.Size = s.data, uint64(len(s.data))
		}
		if len(s.relas) > 0 {
			b.out.AddRela(s.index, s.relas...)
		}
	}
}
