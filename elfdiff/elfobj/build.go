package elfobj

import (
	"debug/elf"
	"fmt"
	"io"
	"slices"
)

// A Builder composes a relocatable object. The zero value is ready for use.
//
// Sections keep the order in which they are added, and the indices that the
// methods return are those in the file. After them come the relocation
// sections that AddRela asked for, in the order of their targets, and then
// .symtab, .symtab_shndx if needed, .strtab and .shstrtab.
//
// Symbols are renumbered in the file, as local ones must come first. The
// indices that AddSymbol returns are handles, for this builder only.
//
// Mistakes, such as an index that no method returned, are reported by
// [Builder.Spec] and [Builder.WriteTo] as [*SpecError].
type Builder struct {
	Header     Header // a zero Type means ET_REL, a zero Machine EM_X86_64
	ShareTails bool   // see Spec

	sections []SpecSection // from section 1 on
	relas    []pending     // by section, from section 1 on
	symbols  []Symbol      // from symbol 1 on
	err      error         // first mistake
}

// pending is what AddRela collected for a section.
type pending struct {
	relas []Rela
	group int // section index of the group that the section is a member of, 0 if none
}

// AddSection adds a section, and returns its index. Size is that of the data,
// unless the type is SHT_NOBITS. All other fields of the header are written as
// they are, except Offset. The data is not copied.
func (b *Builder) AddSection(h SectionHeader, data []byte) SectionIndex {
	return b.add(SpecSection{SectionHeader: h, Data: data})
}

func (b *Builder) add(s SpecSection) SectionIndex {
	b.sections = append(b.sections, s)
	b.relas = append(b.relas, pending{})
	return SectionIndex(len(b.sections))
}

// Section returns a section that was added, to look at it or to change it. The
// pointer is valid until the next section is added. It is nil if there is no
// such section.
func (b *Builder) Section(i SectionIndex) *SpecSection {
	if i == 0 || uint64(i) > uint64(len(b.sections)) {
		return nil
	}
	return &b.sections[i-1]
}

// AddSymbol adds a symbol, and returns a handle for use in relocations and
// groups. Symbols without a section have SecUndef, or one of the reserved
// indices, such as SecLivepatch.
func (b *Builder) AddSymbol(s Symbol) SymbolIndex {
	b.symbols = append(b.symbols, s)
	return SymbolIndex(len(b.symbols))
}

// Symbol returns a symbol that was added, to look at it or to change it. The
// pointer is valid until the next symbol is added. It is nil if there is no
// such symbol.
func (b *Builder) Symbol(i SymbolIndex) *Symbol {
	if i == 0 || uint64(i) > uint64(len(b.symbols)) {
		return nil
	}
	return &b.symbols[i-1]
}

// AddRela adds relocations that apply to a section. They are written in the
// order in which they are added, to a section named .rela and the name of that
// section.
func (b *Builder) AddRela(target SectionIndex, relas ...Rela) {
	if b.Section(target) == nil {
		b.fail("relocations apply to section %d of %d", target, len(b.sections)+1)
		return
	}
	p := &b.relas[target-1]
	p.relas = append(p.relas, relas...)
}

// AddRelaSection adds a relocation section with a header of its own, at this
// place in the order of sections. There may be several for one target. It is
// what livepatch modules need: .klp.rela.vmlinux..text applies to .text, has
// the flag SHF_RELA_LIVEPATCH, and stands beside the ordinary .rela.text
// (Documentation/livepatch/module-elf-format.rst of Linux 6.1). Type, Link,
// Info and Entsize of the header are set here; so is Addralign if it is 0.
func (b *Builder) AddRelaSection(h SectionHeader, target SectionIndex, relas []Rela) SectionIndex {
	h.Type, h.Link, h.Info, h.Entsize = elf.SHT_RELA, 0, uint32(target), relaSize
	if h.Addralign == 0 {
		h.Addralign = 8
	}
	i := b.add(SpecSection{SectionHeader: h, Relas: slices.Clone(relas)})
	if target == 0 || target == i {
		b.fail("section %s: relocations apply to section %d", h.Name, target)
	}
	return i
}

// AddGroup adds a section group at this place in the order of sections, which
// must be before its members (gABI "Section Groups"); these are added by
// AddMember. The flags are GroupComdat or 0.
func (b *Builder) AddGroup(signature SymbolIndex, flags uint32) SectionIndex {
	return b.add(SpecSection{
		SectionHeader: SectionHeader{Name: ".group", Type: elf.SHT_GROUP, Addralign: wordSize, Entsize: wordSize},
		Group:         &Group{Signature: signature, Flags: flags},
	})
}

// AddMember adds sections to a group, and sets their flag SHF_GROUP. The
// relocation sections that AddRela makes for them become members as well.
func (b *Builder) AddMember(group SectionIndex, members ...SectionIndex) {
	g := b.Section(group)
	if g == nil || g.Group == nil {
		b.fail("section %d is not a group", group)
		return
	}
	for _, m := range members {
		s := b.Section(m)
		if s == nil || m <= group {
			b.fail("section %d can't be a member of group %d: members come after their group", m, group)
			return
		}
		if in := b.relas[m-1].group; in != 0 {
			b.fail("section %s is a member of group %d already", s.Name, in)
			return
		}
		b.relas[m-1].group = int(group)
		s.Flags |= elf.SHF_GROUP
		g.Group.Members = append(g.Group.Members, m)
	}
}

func (b *Builder) fail(format string, args ...any) {
	if b.err == nil {
		b.err = &SpecError{Msg: fmt.Sprintf(format, args...)}
	}
}

// Spec returns the object as it stands, with symbols sorted. The builder can
// be used further and is not affected by changes of the Spec, except of
// section data, which is shared.
func (b *Builder) Spec() (*Spec, error) {
	if b.err != nil {
		return nil, b.err
	}
	s := &Spec{Header: b.Header, ShareTails: b.ShareTails}
	s.Symbols = append(make([]Symbol, 1, len(b.symbols)+1), b.symbols...)
	s.Sections = append(make([]SpecSection, 1, len(b.sections)+8), b.sections...)
	detach(s.Sections)
	b.addRelas(s)
	b.addTables(s)
	for i := range s.Sections {
		if sec := &s.Sections[i]; sec.Type == elf.SHT_RELA && sec.Link == 0 {
			sec.Link = uint32(s.Symtab)
		}
	}
	if _, err := s.SortSymbols(); err != nil {
		return nil, err
	}
	return s, s.check()
}

// WriteTo writes the object. The same calls give the same bytes.
func (b *Builder) WriteTo(w io.Writer) (int64, error) {
	s, err := b.Spec()
	if err != nil {
		return 0, err
	}
	return s.WriteTo(w)
}

// addRelas adds the relocation sections that AddRela asked for.
func (b *Builder) addRelas(s *Spec) {
	for i, p := range b.relas {
		if len(p.relas) == 0 {
			continue
		}
		h := SectionHeader{
			Name: ".rela" + b.sections[i].Name, Type: elf.SHT_RELA, Flags: elf.SHF_INFO_LINK,
			Info: uint32(i + 1), Addralign: 8, Entsize: relaSize,
		}
		if p.group != 0 {
			h.Flags |= elf.SHF_GROUP
			g := s.Sections[p.group].Group
			g.Members = append(g.Members, SectionIndex(len(s.Sections)))
		}
		s.Sections = append(s.Sections, SpecSection{SectionHeader: h, Relas: slices.Clone(p.relas)})
	}
}

// addTables adds the symbol table and the string tables.
func (b *Builder) addTables(s *Spec) {
	add := func(h SectionHeader) SectionIndex {
		s.Sections = append(s.Sections, SpecSection{SectionHeader: h})
		return SectionIndex(len(s.Sections) - 1)
	}
	s.Symtab = add(SectionHeader{Name: ".symtab", Type: elf.SHT_SYMTAB, Addralign: 8, Entsize: symSize})
	if s.needsExtended() {
		s.SymtabShndx = add(extendedHeader(s.Symtab))
	}
	s.Strtab = add(SectionHeader{Name: ".strtab", Type: elf.SHT_STRTAB, Addralign: 1})
	s.Shstrtab = add(SectionHeader{Name: ".shstrtab", Type: elf.SHT_STRTAB, Addralign: 1})
}
