package object

import (
	"debug/elf"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
)

// commonSection is what objdump calls the place of common symbols.
const commonSection = "*COM*"

// allocateCommons gives each common symbol (gABI chapter 4, SHN_COMMON: tentative
// definitions of C with -fcommon) a section of its own, as a linker makes room for
// it: a variable that is zero, with the size and alignment that the symbol tells. So
// one that grows, is new, or gets an initial value is judged like any variable.
func (o *Object) allocateCommons() {
	first := slices.IndexFunc(o.symbols, func(s elfobj.Symbol) bool { return isCommon(&s) })
	if first < 0 {
		return
	}
	o.symbols = slices.Clone(o.symbols)
	for i := first; i < len(o.symbols); i++ {
		s := &o.symbols[i]
		if !isCommon(s) {
			continue
		}
		h := elfobj.SectionHeader{
			Name: commonSection, Type: elf.SHT_NOBITS, Flags: elf.SHF_ALLOC | elf.SHF_WRITE, Size: s.Size, Addralign: commonAlign(s.Value),
		}
		index := elfobj.SectionIndex(len(o.File.Sections))
		o.File.Sections = append(o.File.Sections, &elfobj.Section{SectionHeader: h, Index: index})
		s.Section, s.Value, s.Info = index, 0, elf.ST_INFO(s.Bind(), elf.STT_OBJECT)
	}
}

func isCommon(s *elfobj.Symbol) bool {
	return s.Section == elfobj.SecCommon && s.Type() != elf.STT_TLS
}

// commonAlign returns the alignment of a common symbol, which its value is; none that
// is no power of two.
func commonAlign(v uint64) uint64 {
	if v&(v-1) != 0 {
		return 1
	}
	return max(v, 1)
}

// IsCommon reports whether an atom is a common symbol: another object may define the
// variable, which is one and the same then.
func (o *Object) IsCommon(a *Atom) bool {
	return a != nil && a.NoBits && o.SectionName(a.Section) == commonSection
}
