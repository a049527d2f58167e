package elfobj

import (
	"debug/elf"
	"errors"
	"io"
	"slices"
)

// Spec returns an editable copy of a relocatable object. Symbols and
// relocations are copied; section data and names are shared with the file.
//
// All of the file is used here, so that anything wrong with a table is a
// [*FormatError]. So are program headers, and files of another type than
// ET_REL, with an Err that is [errors.ErrUnsupported]. Sections whose content
// this package doesn't know are copied as they are, compressed ones included.
func (f *File) Spec() (*Spec, error) {
	s, err := f.spec()
	if err != nil {
		return nil, err
	}
	s.Symbols = slices.Clone(s.Symbols)
	detach(s.Sections)
	return s, nil
}

// Rewrite writes the object anew: sections, symbols, relocations and groups as
// they are, with all indices, at places in the file that follow from the order
// of the sections. The section and symbol tables that readelf prints are the
// same but for the column of file offsets. Errors are those of [File.Spec] and
// [Spec.WriteTo].
func (f *File) Rewrite(w io.Writer) (int64, error) {
	s, err := f.spec()
	if err != nil {
		return 0, err
	}
	return s.WriteTo(w)
}

// spec is Spec with everything shared.
func (f *File) spec() (*Spec, error) {
	if f.Type != elf.ET_REL || len(f.Progs) > 0 {
		return nil, f.wrap(errors.ErrUnsupported, nil, 0, "%v with %d program headers is not relocatable", f.Type, len(f.Progs))
	}
	syms, err := f.Symbols()
	if err != nil {
		return nil, err
	}
	symtab, err := f.Symtab()
	if err != nil {
		return nil, err
	}
	s := &Spec{Header: f.Header, Symbols: syms, Shstrtab: f.shstrtab}
	if symtab != nil {
		s.Symtab, s.Strtab = symtab.Index, SectionIndex(symtab.Link)
		if n := s.localSymbols(); uint64(symtab.Info) != uint64(n) { // ld refuses it as well, or drops symbols
			return nil, f.fail(symtab, symtab.Offset, "sh_info: first global symbol is %d, but should be %d", symtab.Info, n)
		}
	}
	s.Sections = make([]SpecSection, len(f.Sections))
	for i, sec := range f.Sections {
		if err := f.specSection(s, &s.Sections[i], sec); err != nil {
			return nil, err
		}
	}
	if len(s.Sections) > 0 { // the counts that did not fit the file header are made anew
		null := &s.Sections[0]
		if f.extendedShnum {
			null.Size = 0
		}
		if f.extendedShstrndx {
			null.Link = 0
		}
	}
	groups, err := f.Groups()
	for i := range groups {
		s.Sections[groups[i].Section].Group = &groups[i]
	}
	return s, err
}

func (f *File) specSection(s *Spec, to *SpecSection, sec *Section) (err error) {
	to.SectionHeader = sec.SectionHeader
	switch {
	case sec.Type == elf.SHT_RELA: // refuses other links than to the symbol table
		to.Relas, err = sec.Relas()
		return err
	case sec.Type == elf.SHT_SYMTAB_SHNDX && s.Symtab != 0 && sec.Link == uint32(s.Symtab):
		s.SymtabShndx = sec.Index
		return nil
	case sec.Type == elf.SHT_GROUP || sec.Index == s.Symtab:
		return nil
	}
	to.Data, err = sec.Data()
	return err
}

// detach gives sections relocations and members of their own.
func detach(sections []SpecSection) {
	for i := range sections {
		sec := &sections[i]
		sec.Relas = slices.Clone(sec.Relas)
		if sec.Group != nil {
			g := *sec.Group
			g.Members = slices.Clone(g.Members)
			sec.Group = &g
		}
	}
}
