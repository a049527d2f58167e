package image

import (
	"cmp"
	"slices"
)

// SymPos returns the position by which livepatch tells s from the other symbols
// of its name in its module: 0 when the name is unique, else its number from 1
// (klp_find_object_symbol of kernel/livepatch/core.c, Linux 6.1). They are
// counted by address in the kernel itself, as scripts/kallsyms.c sorts them, and
// in the order of the symbol table in a module ([Symbol.Index]; by address where
// it is not known). Symbols at one address are counted as the image has them. It
// returns false when the image has no such symbol.
func (img *Image) SymPos(s Symbol) (uint64, bool) {
	list := img.namesakes(s.Module, s.Name)
	for i := range list {
		if list[i].Addr == s.Addr && list[i].Index == s.Index {
			if len(list) == 1 {
				return 0, true
			}
			return uint64(i) + 1, true
		}
	}
	return 0, false
}

// namesakes returns the symbols of a name in a module, in livepatch's order.
func (img *Image) namesakes(module int, name string) []Symbol {
	var out []Symbol
	for _, i := range img.byName()[name] {
		if img.symbols[i].Module == module {
			out = append(out, img.symbols[i])
		}
	}
	if module != NoModule && !img.modules[module].Main {
		slices.SortStableFunc(out, func(a, b Symbol) int { return cmp.Compare(a.Index, b.Index) })
	}
	return out
}

// kernelName is the name of the module that the kernel itself is in an image, and
// what livepatch calls it.
const kernelName = "vmlinux"

// bySymPos is the inverse of SymPos, with the module by its name.
func (img *Image) bySymPos(module, name string, pos uint64) (Symbol, bool) {
	for m := range img.modules {
		if img.modules[m].Name != module {
			continue
		}
		list := img.namesakes(m, name)
		switch {
		case pos == 0 && len(list) == 1:
			return list[0], true
		case pos > 0 && pos <= uint64(len(list)):
			return list[pos-1], true
		}
	}
	return Symbol{}, false
}
