package module

import (
	"bytes"
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

// file is the module's file, as it grows: sections, symbols, and strings.
type file struct {
	out     elfobj.Builder
	secs    map[string]*section
	order   []*section
	strings map[string]uint64 // where they are in read-only data
	flushed bool
}

func newFile() *file { return &file{secs: map[string]*section{}, strings: map[string]uint64{}} }

// section returns the module's section of a name, and makes it if need be.
func (f *file) section(name string, typ elf.SectionType, flags elf.SectionFlag, align uint64) *section {
	if s := f.secs[name]; s != nil {
		s.align = max(s.align, align)
		return s
	}
	s := &section{name: name, typ: typ, flags: flags, align: max(align, 1)}
	s.index = f.out.AddSection(elfobj.SectionHeader{Name: name, Type: typ, Flags: flags}, nil)
	s.anchor = f.out.AddSymbol(elfobj.Symbol{Info: elf.ST_INFO(elf.STB_LOCAL, elf.STT_SECTION), Section: s.index})
	f.secs[name] = s
	f.order = append(f.order, s)
	return s
}

func (f *file) text() *section   { return f.section(kerneltab.Text, elf.SHT_PROGBITS, flagsAX, 16) }
func (f *file) rodata() *section { return f.section(kerneltab.Rodata, elf.SHT_PROGBITS, flagsA, 8) }
func (f *file) data() *section   { return f.section(kerneltab.Data, elf.SHT_PROGBITS, flagsWA, 8) }

// string puts a string into read-only data, once.
func (f *file) string(s string) (*section, uint64) {
	r := f.rodata()
	at, ok := f.strings[s]
	if !ok {
		at = r.append(1, append([]byte(s), 0))
		f.strings[s] = at
	}
	return r, at
}

// literal returns how to reach a string.
func (f *file) literal(s string) target {
	r, at := f.string(s)
	return target{symbol: r.anchor, addend: int64(at)}
}

// flush hands the sections over to the ELF builder.
func (f *file) flush() {
	f.flushed = true
	for _, s := range f.order {
		out := f.out.Section(s.index)
		out.Addralign, out.Entsize = s.align, s.ent
		if s.typ == elf.SHT_NOBITS {
			out.Size = s.size
		} else {
			out.Data, out.Size = s.data, uint64(len(s.data))
		}
		if len(s.relas) > 0 {
			f.out.AddRela(s.index, s.relas...)
		}
	}
}

// addSymbol adds one.
func (f *file) addSymbol(s elfobj.Symbol) elfobj.SymbolIndex { return f.out.AddSymbol(s) }

// addNumber adds a local symbol for a number.
func (f *file) addNumber(name string, value uint64) elfobj.SymbolIndex {
	return f.out.AddSymbol(elfobj.Symbol{Name: name, Value: value, Info: elf.ST_INFO(elf.STB_LOCAL, elf.STT_NOTYPE), Section: elfobj.SecAbs})
}

// addUndefined adds the symbol of something that others have.
func (f *file) addUndefined(name string) elfobj.SymbolIndex {
	return f.out.AddSymbol(elfobj.Symbol{Name: name, Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_NOTYPE)})
}

// symbol returns one that was added.
func (f *file) symbol(i elfobj.SymbolIndex) *elfobj.Symbol { return f.out.Symbol(i) }

// bytes returns the file. Sections do not grow any more once it was asked, but what is in
// them may change.
func (f *file) bytes() ([]byte, error) {
	if !f.flushed {
		f.flush()
	}
	var b bytes.Buffer
	_, err := f.out.WriteTo(&b)
	return b.Bytes(), err
}

// memory says how the running kernel has what a reference leads to.
type memory uint8

const (
	memoryUnknown  memory = iota // of a module, or a number
	memoryPlain                  // code reaches it by its address
	memoryReadOnly               // likewise, and nobody can write to it
	memoryPerCPU                 // its address is an offset in the area of each processor
)

// memory returns what a section of the module is, once it is loaded.
func (s *section) memory() memory {
	if s.name == kerneltab.PerCPU {
		return memoryPerCPU
	}
	return memoryPlain
}
