package image

import (
	"debug/elf"
	"slices"
)

// HasTables reports whether the dynamic relocations of a module are known: those of a
// program or library, by its file or by what is mapped of it.
func (img *Image) HasTables(module int) bool {
	return module >= 0 && module < len(img.tables) && img.tables[module] != nil
}

// IsLinked reports whether a dynamic linker links the modules.
func (img *Image) IsLinked() bool {
	return slices.ContainsFunc(img.tables, func(f func() *tables) bool { return f != nil })
}

// SlotAt returns the word at an address that the dynamic linker fills in; false when it is
// none.
func (img *Image) SlotAt(addr uint64) (Slot, bool) {
	_, i := img.ModuleAt(addr)
	if !img.HasTables(i) {
		return Slot{}, false
	}
	s, ok := img.tables[i]().slots[addr]
	return s, ok
}

// UnwindStarts returns the run addresses where the code of a module starts that can be
// unwound, in ascending order, by the table in .eh_frame_hdr. The slice is shared and must
// not be changed.
func (img *Image) UnwindStarts(module int) []uint64 {
	if !img.HasTables(module) {
		return nil
	}
	return img.tables[module]().starts
}

// Imports returns the names of the symbols that a module takes from other
// modules, in ascending order: those of its dynamic relocations that it does not
// define itself. A module that was linked statically, or whose tables are not
// known, has none.
func (img *Image) Imports(module int) []string {
	if !img.HasTables(module) {
		return nil
	}
	var out []string
	for _, s := range img.tables[module]().slots {
		if s.Name != "" && !s.Defined {
			out = append(out, s.Name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Exports reports whether a module offers a function of that name to other
// modules, by its dynamic symbols.
func (img *Image) Exports(module int, name string) bool {
	if !img.HasTables(module) {
		return false
	}
	e, ok := img.tables[module]().exports()[name]
	return ok && (e.typ == elf.STT_FUNC || e.typ == elf.STT_GNU_IFUNC)
}

// Bound returns where the slot of a module for a name leads, in a live image; ok is false where it has
// none, or the dynamic linker has not filled it yet.
func (img *Image) Bound(module int, name string) (addr uint64, ok bool) {
	if !img.HasTables(module) {
		return 0, false
	}
	return img.boundIn(module, name)
}

// IsInterposed reports whether a reference by name from a library, to a function that the library
// exports at an address of its own, leads to the one of another module, or may: the dynamic linker
// takes the first in its order (gABI, shared object dependencies). What it has bound decides. own is 0
// for a function that the library does not have yet.
func (img *Image) IsInterposed(module int, name string, own uint64) bool {
	if !img.live || !img.HasTables(module) || img.modules[module].Main || own != 0 && !img.Exports(module, name) {
		return false
	}
	for k := range img.modules {
		if k != module && img.Exports(k, name) {
			addr, bound := img.boundIn(module, name)
			return !bound || addr != own
		}
	}
	return false
}
