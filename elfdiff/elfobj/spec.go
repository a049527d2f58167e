package elfobj

import (
	"debug/elf"
	"fmt"
	"math"
)

// A Spec is an editable relocatable object: [File.Spec] makes one from a file,
// [Builder.Spec] from nothing. It says all that the file says, except where in
// the file the sections are.
//
// Symbols and sections may be changed and appended freely. Removing one or
// changing the order changes the indices that others use, which is up to the
// caller; [Spec.SortSymbols] does the one renumbering that appending needs.
type Spec struct {
	Header   Header        // a zero Type means ET_REL, a zero Machine EM_X86_64
	Sections []SpecSection // [0] is the null section
	Symbols  []Symbol      // [0] is the null symbol; local ones before all others

	// The sections that WriteTo fills from the names and from Symbols; 0 if
	// there is none. Data of the string tables is kept, and names that it
	// doesn't hold are appended. Strtab and Shstrtab may be the same section,
	// as clang has it. SymtabShndx is appended if a symbol needs it.
	Symtab, SymtabShndx, Strtab, Shstrtab SectionIndex

	// ShareTails stores appended names that are the end of another ("text" and
	// ".text") within that one. It makes smaller files in more time.
	ShareTails bool
}

// A SpecSection is a section of a [Spec].
//
// The content is Group for SHT_GROUP, Relas for a SHT_RELA section with a link
// to the symbol table, and Data for all others. Link, Info and Entsize are
// written as they are, except for sections whose content is not Data, where
// they follow from it; the target of relocations always is Info.
type SpecSection struct {
	SectionHeader        // Offset is ignored; so is Size, unless the section has no bytes in the file
	Data          []byte // must be replaced, not changed in place, if it comes from a File
	Relas         []Rela
	Group         *Group // its field Section is ignored
}

// hasRelas reports whether the content of a section is its Relas.
func (s *Spec) hasRelas(sec *SpecSection) bool {
	return sec.Type == elf.SHT_RELA && s.Symtab != 0 && sec.Link == uint32(s.Symtab)
}

func (s *Spec) label(i int) string {
	if name := s.Sections[i].Name; name != "" {
		return name
	}
	return fmt.Sprintf("#%d", i)
}

func (s *Spec) fail(section int, format string, args ...any) error {
	return &SpecError{Section: s.label(section), Msg: fmt.Sprintf(format, args...)}
}

func (s *Spec) failSymbol(symbol int, format string, args ...any) error {
	name := s.Symbols[symbol].Name
	if name == "" {
		name = fmt.Sprintf("#%d", symbol)
	}
	return &SpecError{Symbol: name, Msg: fmt.Sprintf(format, args...)}
}

// check refuses what could not be read back, or would be read as something
// else.
func (s *Spec) check() error {
	h := s.Header
	if h.Type != elf.ET_REL && h.Type != 0 || h.Machine != elf.EM_X86_64 && h.Machine != 0 {
		return &SpecError{Msg: fmt.Sprintf("%v for %v; only relocatable objects for x86-64 are written", h.Type, h.Machine)}
	}
	if len(s.Sections) == 0 {
		if len(s.Symbols) > 1 {
			return &SpecError{Msg: "symbols without sections"}
		}
		return nil
	}
	if uint64(len(s.Sections)) >= uint64(reservedLow) || uint64(len(s.Symbols)) > math.MaxUint32 {
		return &SpecError{Msg: fmt.Sprintf("%d sections, %d symbols", len(s.Sections), len(s.Symbols))}
	}
	if err := s.checkRoles(); err != nil {
		return err
	}
	for i := range s.Sections {
		if err := s.checkSection(i); err != nil {
			return err
		}
	}
	return s.checkSymbols()
}

// checkRoles checks the sections that WriteTo fills.
func (s *Spec) checkRoles() error {
	if s.Sections[0].Type != elf.SHT_NULL {
		return s.fail(0, "section 0 is of type %v", s.Sections[0].Type)
	}
	for _, role := range []struct {
		name   string
		index  SectionIndex
		typ    elf.SectionType
		needed bool
	}{
		{"symbol table", s.Symtab, elf.SHT_SYMTAB, len(s.Symbols) > 0},
		{"table of extended section indices", s.SymtabShndx, elf.SHT_SYMTAB_SHNDX, false},
		{"string table", s.Strtab, elf.SHT_STRTAB, s.Symtab != 0},
		{"section name table", s.Shstrtab, elf.SHT_STRTAB, s.hasNames()},
	} {
		switch {
		case role.index == 0 && role.needed:
			return &SpecError{Msg: "no section is given for the " + role.name}
		case uint64(role.index) >= uint64(len(s.Sections)):
			return &SpecError{Msg: fmt.Sprintf("the %s is section %d of %d", role.name, role.index, len(s.Sections))}
		case role.index != 0 && s.Sections[role.index].Type != role.typ:
			return s.fail(int(role.index), "the %s is of type %v", role.name, s.Sections[role.index].Type)
		}
	}
	return nil
}

func (s *Spec) hasNames() bool {
	for i := range s.Sections {
		if s.Sections[i].Name != "" {
			return true
		}
	}
	return false
}

func (s *Spec) checkSection(i int) error {
	sec := &s.Sections[i]
	switch {
	case sec.Addralign&(sec.Addralign-1) != 0:
		return s.fail(i, "alignment %#x is not a power of two", sec.Addralign)
	case (sec.Type == elf.SHT_NOBITS || sec.Type == elf.SHT_NULL) && len(sec.Data) != 0:
		return s.fail(i, "%#x bytes of data in a section of type %v", len(sec.Data), sec.Type)
	case len(sec.Data) != 0 && (sec.Type == elf.SHT_GROUP || s.hasRelas(sec)):
		return s.fail(i, "%#x bytes of data in a section of type %v, which has another content", len(sec.Data), sec.Type)
	case sec.Type == elf.SHT_GROUP:
		return s.checkGroup(i)
	case s.hasRelas(sec):
		if uint64(sec.Info) >= uint64(len(s.Sections)) {
			return s.fail(i, "relocations apply to section %d of %d", sec.Info, len(s.Sections))
		}
		for k, r := range sec.Relas {
			if uint64(r.Sym) >= uint64(len(s.Symbols)) && r.Sym != 0 {
				return s.fail(i, "relocation %d: symbol %d of %d", k, r.Sym, len(s.Symbols))
			}
		}
	case len(sec.Relas) != 0:
		return s.fail(i, "relocations in a section of type %v with link %d", sec.Type, sec.Link)
	}
	return nil
}

func (s *Spec) checkGroup(i int) error {
	g := s.Sections[i].Group
	if g == nil {
		return s.fail(i, "section of type SHT_GROUP without a Group")
	}
	if s.Symtab == 0 || uint64(g.Signature) >= uint64(len(s.Symbols)) {
		return s.fail(i, "signature is symbol %d of %d", g.Signature, len(s.Symbols))
	}
	for k, m := range g.Members {
		if m == 0 || uint64(m) >= uint64(len(s.Sections)) || int(m) == i {
			return s.fail(i, "member %d: section %d of %d", k, m, len(s.Sections))
		}
	}
	return nil
}

func (s *Spec) checkSymbols() error {
	locals := s.localSymbols()
	for i := range s.Symbols {
		sym := &s.Symbols[i]
		if i > locals && sym.Bind() == elf.STB_LOCAL {
			return s.failSymbol(i, "local symbol %d after symbol %d that is not local", i, locals)
		}
		if !sym.Section.IsReserved() && uint64(sym.Section) >= uint64(len(s.Sections)) || sym.Section == math.MaxUint32 {
			return s.failSymbol(i, "section %#x of %d", uint32(sym.Section), len(s.Sections))
		}
	}
	return nil
}

// localSymbols returns the number of local symbols at the beginning, which is
// the index of the first global one.
func (s *Spec) localSymbols() int {
	for i := range s.Symbols {
		if s.Symbols[i].Bind() != elf.STB_LOCAL {
			return i
		}
	}
	return len(s.Symbols)
}

// symbolHolders are section types whose data has symbol indices that this
// package can't renumber.
var symbolHolders = map[elf.SectionType]string{
	elf.SHT_REL:  "relocations without addends",
	elf.SHT_HASH: "a hash table of symbols",
	typeCREL:     "compact relocations",
	0x6fff4c03:   "SHT_LLVM_ADDRSIG", // include/llvm/BinaryFormat/ELF.h of LLVM 14
}

// SortSymbols moves local symbols before all others, keeps the order
// otherwise, and renumbers relocations and group signatures (gABI "Symbol
// Table" demands that order). It returns for each old index the new one.
//
// A section with symbol indices in a form that this package can't change is a
// [*SpecError], unless no index changes.
func (s *Spec) SortSymbols() ([]SymbolIndex, error) {
	to := make([]SymbolIndex, len(s.Symbols))
	sorted := make([]Symbol, 0, len(s.Symbols))
	moved := false
	for _, local := range []bool{true, false} {
		for i := range s.Symbols {
			if (i == 0 || s.Symbols[i].Bind() == elf.STB_LOCAL) != local {
				continue
			}
			to[i] = SymbolIndex(len(sorted))
			moved = moved || int(to[i]) != i
			sorted = append(sorted, s.Symbols[i])
		}
	}
	if !moved {
		return to, nil
	}
	for i := range s.Sections {
		sec := &s.Sections[i]
		if what, ok := symbolHolders[sec.Type]; ok && sec.Link == uint32(s.Symtab) {
			return nil, s.fail(i, "symbols can't be renumbered: %s", what)
		}
		if err := s.checkSection(i); err != nil {
			return nil, err
		}
	}
	for i := range s.Sections {
		sec := &s.Sections[i]
		for k := range sec.Relas {
			sec.Relas[k].Sym = to[sec.Relas[k].Sym]
		}
		if sec.Group != nil {
			sec.Group.Signature = to[sec.Group.Signature]
		}
	}
	s.Symbols = sorted
	return to, nil
}
