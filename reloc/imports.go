package reloc

import (
	"debug/elf"
	"slices"
)

// Imports returns the names of the symbols that a module takes from other
// modules, in ascending order: those of its dynamic relocations that it does not
// define itself. A module that was linked statically, or whose tables are not
// known, has none.
func (img *Image) Imports(module int) []string {
	if module < 0 || module >= len(img.tables) || img.tables[module] == nil {
		return nil
	}
	var out []string
	for _, s := range img.tables[module]().slots {
		if s.name != "" && !s.defined {
			out = append(out, s.name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Exports reports whether a module offers a function of that name to other
// modules, by its dynamic symbols.
func (img *Image) Exports(module int, name string) bool {
	if module < 0 || module >= len(img.tables) || img.tables[module] == nil {
		return false
	}
	e, ok := img.tables[module]().exports()[name]
	return ok && (e.typ == elf.STT_FUNC || e.typ == elf.STT_GNU_IFUNC)
}
