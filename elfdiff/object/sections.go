package object

import (
	"debug/elf"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// tableKinds are the kinds of what sections hold whose flags do not tell. Tables that
// describe code, an entry for each place, are Special.
var tableKinds = [...]Kind{
	kerneltab.Table:  Special,
	kerneltab.Piece:  Const,
	kerneltab.Unwind: Unwind,
	kerneltab.LSDA:   LSDA,
}

// kindOfSection says what the section's atoms are. Sections that take no
// memory at run time, or are unused headers, are Meta whatever they are called.
func kindOfSection(s *elfobj.Section) Kind {
	if s.Flags&elf.SHF_ALLOC == 0 || s.Type == elf.SHT_NULL {
		return Meta
	}
	if r := kerneltab.Of(s.Name); r != nil && r.Kind != kerneltab.ByFlags {
		return tableKinds[r.Kind]
	}
	return kindOfFlags(s)
}

// shtX8664Unwind is SHT_X86_64_UNWIND, psABI section 4.2.2: the type that some
// assemblers give .eh_frame.
const shtX8664Unwind = 0x70000001

// typeKinds lists the types of sections that say more than the flags do (gABI
// chapter 4, sh_type). What an unknown type holds is memory like any other.
var typeKinds = map[elf.SectionType]Kind{
	elf.SHT_INIT_ARRAY:    Special,
	elf.SHT_FINI_ARRAY:    Special,
	elf.SHT_PREINIT_ARRAY: Special,
	elf.SHT_NOTE:          Special,
	shtX8664Unwind:        Unwind,

	// they are read with the sections that they are about
	elf.SHT_RELA:         Meta,
	elf.SHT_REL:          Meta,
	elf.SHT_SYMTAB:       Meta,
	elf.SHT_STRTAB:       Meta,
	elf.SHT_SYMTAB_SHNDX: Meta,
	elf.SHT_GROUP:        Meta,
}

func kindOfFlags(s *elfobj.Section) Kind {
	const mergeStrings = elf.SHF_MERGE | elf.SHF_STRINGS
	if k, ok := typeKinds[s.Type]; ok {
		return k
	}
	switch f := s.Flags; {
	case f&elf.SHF_EXECINSTR != 0:
		return Func
	case f&elf.SHF_TLS != 0:
		return TLS
	case f&elf.SHF_WRITE != 0:
		if kerneltab.Of(s.Name).Has(kerneltab.RelRO) {
			return Const // read-only once the dynamic linker is done with it
		}
		return Data
	case f&mergeStrings == mergeStrings && s.Entsize > 0:
		return String
	case f&elf.SHF_MERGE != 0 && s.Entsize > 0:
		return Merge
	}
	return Const
}
