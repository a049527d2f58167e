package elfobj

import (
	"debug/elf"
	"fmt"
	"math"
)

// SymbolIndex is an index into the symbol table, 0 being the null symbol.
type SymbolIndex uint32

// A Symbol is an entry of a symbol table (gABI "Symbol Table").
type Symbol struct {
	Name    string // empty for most section symbols
	Value   uint64 // offset in the section in relocatable objects, run address in images, alignment if SecCommon
	Size    uint64 // bytes
	Info    byte   // type and binding
	Other   byte   // visibility in the low two bits; the rest is kept
	Section SectionIndex
}

// Type returns the type, such as elf.STT_FUNC.
func (s *Symbol) Type() elf.SymType { return elf.ST_TYPE(s.Info) }

// Bind returns the binding, such as elf.STB_GLOBAL.
func (s *Symbol) Bind() elf.SymBind { return elf.ST_BIND(s.Info) }

// IsWeak reports whether another definition may replace the symbol: its binding is STB_WEAK.
func (s *Symbol) IsWeak() bool { return s.Bind() == elf.STB_WEAK }

// Visibility returns the visibility, such as elf.STV_HIDDEN.
func (s *Symbol) Visibility() elf.SymVis { return elf.ST_VISIBILITY(s.Other) }

// IsDefined reports whether the file itself gives the symbol a place or value.
// Common symbols count as defined; symbols that livepatch resolves don't.
func (s *Symbol) IsDefined() bool {
	return s.Section != SecUndef && s.Section != SecLivepatch
}

// Symbols returns the symbol table .symtab with the null symbol at index 0. It
// is empty if there is none. The slice is shared and must not be changed.
//
// One bad entry fails the whole table with a [*FormatError], as relocations
// count on indices: a name or section index out of range, a wrong entry size,
// a missing table of extended section indices.
func (f *File) Symbols() ([]Symbol, error) {
	return f.symbols.get(func() ([]Symbol, error) { return f.parseSymbols(elf.SHT_SYMTAB) })
}

// DynSymbols returns the dynamic symbol table .dynsym likewise.
func (f *File) DynSymbols() ([]Symbol, error) {
	return f.dynamic.get(func() ([]Symbol, error) { return f.parseSymbols(elf.SHT_DYNSYM) })
}

// Symtab returns the section that holds the table of [File.Symbols], nil if
// there is none. Two of them, which the gABI forbids, are an error.
func (f *File) Symtab() (*Section, error) { return f.theOnly(elf.SHT_SYMTAB) }

func (f *File) theOnly(typ elf.SectionType) (*Section, error) {
	only, err := f.unique.get(f.findUnique)
	if err != nil {
		return nil, err
	}
	t := only[typ]
	if t.second != nil {
		return nil, f.fail(t.second, t.second.Offset, "second section of type %v, after section %d", typ, t.first.Index)
	}
	return t.first, nil
}

// pair is the first and the second section of a type that should be unique.
type pair struct{ first, second *Section }

func (f *File) findUnique() (map[elf.SectionType]pair, error) {
	only := make(map[elf.SectionType]pair)
	for _, s := range f.Sections {
		if s.Type != elf.SHT_SYMTAB && s.Type != elf.SHT_DYNSYM {
			continue
		}
		p := only[s.Type]
		if p.first == nil {
			p.first = s
		} else if p.second == nil {
			p.second = s
		}
		only[s.Type] = p
	}
	return only, nil
}

func (f *File) parseSymbols(typ elf.SectionType) ([]Symbol, error) {
	s, err := f.theOnly(typ)
	if err != nil || s == nil {
		return nil, err
	}
	b, err := s.table(symSize)
	if err != nil {
		return nil, err
	}
	n := len(b) / symSize
	if uint64(s.Info) > uint64(n) {
		return nil, f.fail(s, s.Offset, "sh_info: first global symbol %d of %d", s.Info, n)
	}
	names, err := f.stringsOf(s)
	if err != nil {
		return nil, err
	}
	extended, err := f.extendedIndices(s, n)
	if err != nil {
		return nil, err
	}
	p := symbolParser{f: f, s: s, names: names, extended: extended}
	return p.parse(b)
}

// table returns the data of a section that is a table of entries of size
// bytes.
func (s *Section) table(size uint64) ([]byte, error) {
	if s.Entsize != size {
		return nil, s.file.fail(s, s.Offset, "sh_entsize is %d, not %d", s.Entsize, size)
	}
	if s.Size%size != 0 {
		return nil, s.file.fail(s, s.Offset, "size %#x is no multiple of the entry size %d", s.Size, size)
	}
	if s.Size/size > math.MaxUint32 {
		return nil, s.file.fail(s, s.Offset, "size %#x means more entries than an index can tell", s.Size)
	}
	return s.Data()
}

// stringsOf returns the string table that a section links to.
func (f *File) stringsOf(s *Section) (*strtab, error) {
	str := f.Section(SectionIndex(s.Link))
	if str == nil {
		return nil, f.fail(s, s.Offset, "sh_link: string table is section %d of %d", s.Link, len(f.Sections))
	}
	if str.Type != elf.SHT_STRTAB {
		return nil, f.fail(s, s.Offset, "sh_link: string table %s is of type %v", str.label(), str.Type)
	}
	b, err := str.Data()
	if err != nil {
		return nil, err
	}
	return &strtab{data: b}, nil
}

// extendedIndices returns the data of the SHT_SYMTAB_SHNDX section that goes
// with a symbol table, nil if there is none.
func (f *File) extendedIndices(symtab *Section, n int) ([]byte, error) {
	var found *Section
	for _, s := range f.Sections {
		if s.Type != elf.SHT_SYMTAB_SHNDX || SectionIndex(s.Link) != symtab.Index {
			continue
		}
		if found != nil {
			return nil, f.fail(s, s.Offset, "second section of type %v for %s", s.Type, symtab.label())
		}
		found = s
	}
	if found == nil {
		return nil, nil
	}
	b, err := found.table(wordSize)
	if err != nil {
		return nil, err
	}
	if len(b) != n*wordSize {
		return nil, f.fail(found, found.Offset, "%d entries for %d symbols", len(b)/wordSize, n)
	}
	return b, nil
}

// A symbolParser turns the bytes of a symbol table into symbols.
type symbolParser struct {
	f        *File
	s        *Section
	names    *strtab
	extended []byte
}

func (p *symbolParser) parse(b []byte) ([]Symbol, error) {
	n := len(b) / symSize
	syms := make([]Symbol, n)
	total := uint64(0)
	for i := range syms {
		e := b[i*symSize:][:symSize]
		sym := &syms[i]
		var ok bool
		if nameOff := le.Uint32(e); nameOff == 0 && len(p.names.data) == 0 {
			ok = true // an object with nameless symbols only may have an empty table
		} else if sym.Name, ok = p.names.at(uint64(nameOff)); !ok {
			return nil, p.fail(i, "name at %#x is not within the %#x bytes of the string table", nameOff, len(p.names.data))
		}
		total += uint64(len(sym.Name))
		sym.Info, sym.Other = e[4], e[5]
		sym.Value, sym.Size = le.Uint64(e[8:]), le.Uint64(e[16:])
		section, err := p.section(i, le.Uint16(e[6:]))
		if err != nil {
			return nil, err
		}
		sym.Section = section
	}
	if total > p.names.nameBudget(n) {
		return nil, p.f.fail(p.s, p.s.Offset, "%d names have %#x bytes together", n, total)
	}
	return syms, nil
}

// section resolves the section index of symbol i.
func (p *symbolParser) section(i int, raw uint16) (SectionIndex, error) {
	index := SectionIndex(raw)
	switch {
	case raw == uint16(elf.SHN_XINDEX):
		if p.extended == nil {
			return 0, p.fail(i, "section index is SHN_XINDEX, but there is no SHT_SYMTAB_SHNDX section")
		}
		index = SectionIndex(le.Uint32(p.extended[i*wordSize:]))
	case raw >= uint16(elf.SHN_LORESERVE):
		return reservedBase | index, nil
	}
	if uint64(index) >= uint64(len(p.f.Sections)) {
		return 0, p.fail(i, "section index %d of %d", index, len(p.f.Sections))
	}
	return index, nil
}

func (p *symbolParser) fail(i int, format string, args ...any) error {
	return p.f.fail(p.s, p.s.Offset+uint64(i)*symSize, "symbol %d: %s", i, fmt.Sprintf(format, args...))
}

// IsLabel reports whether the symbol names a place in a section.
func IsLabel(s *Symbol) bool {
	if s == nil {
		return false
	}
	t := s.Type()
	return s.Section != SecUndef && !s.Section.IsReserved() && t != elf.STT_SECTION && t != elf.STT_FILE
}
