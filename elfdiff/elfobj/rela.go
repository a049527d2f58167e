package elfobj

import (
	"debug/elf"
	"iter"
)

// A Rela is a relocation with addend (gABI "Relocation").
type Rela struct {
	Offset uint64 // of the field, in bytes from the section's start; a run address in images
	Addend int64
	Sym    SymbolIndex
	Type   uint32 // R_X86_64_*, psABI section 4.4.1
}

// A relaIndex finds the relocation sections of a section without a search.
type relaIndex struct {
	head []SectionIndex // by target: its first relocation section, 0 if none
	next []SectionIndex // by relocation section: the next one with the same target
}

// typeCREL is SHT_CREL of LLVM 20, include/llvm/BinaryFormat/ELF.h: compact
// relocations, which are experimental.
const typeCREL elf.SectionType = 0x40000014

// RelaSections yields the relocation sections that apply to section s, in file
// order. There can be more than one: livepatch modules have .rela.text as well
// as .klp.rela.vmlinux..text.
func (f *File) RelaSections(s SectionIndex) (iter.Seq[*Section], error) {
	x, err := f.relas.get(f.indexRelas)
	if err != nil {
		return nil, err
	}
	return func(yield func(*Section) bool) {
		if uint64(s) >= uint64(len(x.head)) {
			return
		}
		for i := x.head[s]; i != 0; i = x.next[i] {
			if !yield(f.Sections[i]) {
				return
			}
		}
	}, nil
}

// indexRelas goes through the relocation sections once. One that doesn't say
// what it applies to fails the index: relocations would be missing silently.
func (f *File) indexRelas() (*relaIndex, error) {
	symtab, err := f.Symtab()
	if err != nil {
		return nil, err
	}
	n := len(f.Sections)
	x := &relaIndex{head: make([]SectionIndex, n), next: make([]SectionIndex, n)}
	for i := n - 1; i > 0; i-- {
		s := f.Sections[i]
		switch s.Type {
		case elf.SHT_RELA, elf.SHT_REL, typeCREL:
		default:
			continue
		}
		if f.Type != elf.ET_REL && (symtab == nil || s.Link != uint32(symtab.Index)) {
			continue // for the dynamic linker; what it applies to is a matter of addresses
		}
		if uint64(s.Info) >= uint64(n) {
			return nil, f.fail(s, s.Offset, "sh_info: relocations apply to section %d of %d", s.Info, n)
		}
		x.next[i] = x.head[s.Info]
		x.head[s.Info] = s.Index
	}
	return x, nil
}

// Relas returns the relocations that apply to section s, in file order, those
// of several relocation sections one after the other. In images that were
// linked with --emit-relocs these are the relocations already applied. The
// slice is shared and must not be changed.
//
// In a relocatable object, relocation sections that are not SHT_RELA or don't
// refer to .symtab are a [*FormatError], and so are symbol indices out of
// range.
func (f *File) Relas(s SectionIndex) ([]Rela, error) {
	sections, err := f.RelaSections(s)
	if err != nil || uint64(s) >= uint64(len(f.Sections)) {
		return nil, err
	}
	count := 0
	for r := range sections {
		count++
		if count > 1 {
			break
		}
		if f.relas.v.next[r.Index] == 0 {
			return r.Relas()
		}
	}
	if count == 0 {
		return nil, nil
	}
	return f.Sections[s].cached().applied.get(func() ([]Rela, error) {
		var all []Rela
		for r := range sections {
			part, err := r.Relas()
			if err != nil {
				return nil, err
			}
			all = append(all, part...)
		}
		return all, nil
	})
}

// Relas returns the entries of the relocation section s itself, in file order.
// The slice is shared and must not be changed.
func (s *Section) Relas() ([]Rela, error) {
	return s.cached().entries.get(s.parseRelas)
}

func (s *Section) parseRelas() ([]Rela, error) {
	t, err := s.RelaTable()
	if err != nil {
		return nil, err
	}
	relas := make([]Rela, t.Len())
	for i := range relas {
		relas[i] = t.At(i)
	}
	return relas, nil
}

// A RelaTable is the entries of a relocation section as they are in the file,
// for those who look at each once.
type RelaTable struct{ b []byte }

// Len returns the number of entries.
func (t RelaTable) Len() int { return len(t.b) / relaSize }

// At returns entry i, and zeros where there is none.
func (t RelaTable) At(i int) Rela {
	if i < 0 || i >= t.Len() {
		return Rela{}
	}
	e := t.b[i*relaSize:][:relaSize]
	info := le.Uint64(e[8:])
	return Rela{
		Offset: le.Uint64(e),
		Addend: int64(le.Uint64(e[16:])),
		Sym:    SymbolIndex(info >> 32),
		Type:   uint32(info),
	}
}

// AppendRelaTables appends to list the tables of the relocations that
// [File.Relas] returns, in that order and with the same errors.
func (f *File) AppendRelaTables(list []RelaTable, s SectionIndex) ([]RelaTable, error) {
	x, err := f.relas.get(f.indexRelas)
	if err != nil || uint64(s) >= uint64(len(x.head)) {
		return list, err
	}
	for i := x.head[s]; i != 0; i = x.next[i] {
		t, err := f.Sections[i].RelaTable()
		if err != nil {
			return list, err
		}
		list = append(list, t)
	}
	return list, nil
}

// RelaTable returns the content of the relocation section s itself. It refuses
// what Relas refuses.
func (s *Section) RelaTable() (RelaTable, error) {
	f := s.file
	if f == nil {
		return RelaTable{}, errNoFile
	}
	if s.Type != elf.SHT_RELA {
		return RelaTable{}, f.fail(s, s.Offset, "relocations of type %v; x86-64 uses SHT_RELA only", s.Type)
	}
	nsyms, err := f.linkedSymbols(s)
	if err != nil {
		return RelaTable{}, err
	}
	b, err := s.table(relaSize)
	if err != nil {
		return RelaTable{}, err
	}
	for i := relaSize / 2; i < len(b); i += relaSize { // the upper half of r_info
		if sym := uint64(le.Uint32(b[i:])); sym >= nsyms && sym != 0 {
			i /= relaSize
			return RelaTable{}, f.fail(s, s.Offset+uint64(i)*relaSize, "relocation %d: symbol %d of %d", i, sym, nsyms)
		}
	}
	return RelaTable{b}, nil
}

// linkedSymbols returns the number of symbols in the table that a relocation
// section links to. Without a link, as static executables have it for their
// IRELATIVE relocations, it is 0.
func (f *File) linkedSymbols(s *Section) (uint64, error) {
	if s.Link == 0 && f.Type != elf.ET_REL {
		return 0, nil
	}
	t := f.Section(SectionIndex(s.Link))
	if t == nil {
		return 0, f.fail(s, s.Offset, "sh_link: symbol table is section %d of %d", s.Link, len(f.Sections))
	}
	if t.Type != elf.SHT_SYMTAB && (t.Type != elf.SHT_DYNSYM || f.Type == elf.ET_REL) {
		return 0, f.fail(s, s.Offset, "sh_link: symbol table %s is of type %v", t.label(), t.Type)
	}
	return t.Size / symSize, nil
}
