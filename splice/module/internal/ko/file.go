// Package ko writes the file of a kernel module: its sections, as they grow, symbols,
// strings, and where the sections of other objects go in it.
package ko

import (
	"bytes"
	"debug/elf"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// The flags of sections: read-only data, code, and data.
const (
	Alloc      = elf.SHF_ALLOC
	AllocExec  = elf.SHF_ALLOC | elf.SHF_EXECINSTR
	AllocWrite = elf.SHF_ALLOC | elf.SHF_WRITE
)

// File is the module's file, as it grows: sections, symbols, and strings.
type File struct {
	Named   map[string]*Section
	Order   []*Section // as they were made
	out     elfobj.Builder
	strings map[string]uint64 // where they are in read-only data
	flushed bool
}

// NewFile returns an empty one.
func NewFile() *File { return &File{Named: map[string]*Section{}, strings: map[string]uint64{}} }

// Section returns the module's section of a name, and makes it if need be.
func (f *File) Section(name string, typ elf.SectionType, flags elf.SectionFlag, align uint64) *Section {
	if s := f.Named[name]; s != nil {
		s.align = max(s.align, align)
		return s
	}
	s := &Section{Name: name, Type: typ, Flags: flags, align: max(align, 1)}
	s.Index = f.out.AddSection(elfobj.SectionHeader{Name: name, Type: typ, Flags: flags}, nil)
	s.Anchor = f.out.AddSymbol(elfobj.Symbol{Info: elf.ST_INFO(elf.STB_LOCAL, elf.STT_SECTION), Section: s.Index})
	f.Named[name] = s
	f.Order = append(f.Order, s)
	return s
}

// Text returns the section of code.
func (f *File) Text() *Section { return f.Section(kerneltab.Text, elf.SHT_PROGBITS, AllocExec, 16) }

// Rodata returns the section of read-only data.
func (f *File) Rodata() *Section { return f.Section(kerneltab.Rodata, elf.SHT_PROGBITS, Alloc, 8) }

// Data returns the section of data.
func (f *File) Data() *Section { return f.Section(kerneltab.Data, elf.SHT_PROGBITS, AllocWrite, 8) }

// AddString puts a string into read-only data, once.
func (f *File) AddString(s string) (*Section, uint64) {
	r := f.Rodata()
	at, ok := f.strings[s]
	if !ok {
		at = r.Append(1, append([]byte(s), 0))
		f.strings[s] = at
	}
	return r, at
}

// Literal returns how to reach a string.
func (f *File) Literal(s string) Dest {
	r, at := f.AddString(s)
	return Dest{Symbol: r.Anchor, Addend: int64(at)}
}

// flush hands the sections over to the ELF builder.
func (f *File) flush() {
	f.flushed = true
	for _, s := range f.Order {
		out := f.out.Section(s.Index)
		out.Addralign, out.Entsize = s.align, s.EntrySize
		if s.Type == elf.SHT_NOBITS {
			out.Size = s.size
		} else {
			out.Data, out.Size = s.Data, uint64(len(s.Data))
		}
		if len(s.Relas) > 0 {
			f.out.AddRela(s.Index, s.Relas...)
		}
	}
}

// AddSymbol adds one.
func (f *File) AddSymbol(s elfobj.Symbol) elfobj.SymbolIndex { return f.out.AddSymbol(s) }

// AddNumber adds a local symbol for a number.
func (f *File) AddNumber(name string, value uint64) elfobj.SymbolIndex {
	return f.out.AddSymbol(elfobj.Symbol{Name: name, Value: value, Info: elf.ST_INFO(elf.STB_LOCAL, elf.STT_NOTYPE), Section: elfobj.SecAbs})
}

// AddUndefined adds the symbol of something that others have.
func (f *File) AddUndefined(name string) elfobj.SymbolIndex {
	return f.out.AddSymbol(elfobj.Symbol{Name: name, Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_NOTYPE)})
}

// Symbol returns one that was added.
func (f *File) Symbol(i elfobj.SymbolIndex) *elfobj.Symbol { return f.out.Symbol(i) }

// Bytes returns the file. Sections do not grow any more once it was asked, but what is in
// them may change.
func (f *File) Bytes() ([]byte, error) {
	if !f.flushed {
		f.flush()
	}
	var b bytes.Buffer
	_, err := f.out.WriteTo(&b)
	return b.Bytes(), err
}
