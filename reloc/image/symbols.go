package image

import (
	"cmp"
	"debug/elf"
	"slices"
	"strings"
)

// isTLS is 1 for symbols that have an offset for an address, which come last.
func isTLS(s *Symbol) int {
	if s.Type == elf.STT_TLS {
		return 1
	}
	return 0
}

func bySymbol(a, b *Symbol) int {
	return cmp.Or(cmp.Compare(isTLS(a), isTLS(b)), cmp.Compare(a.Addr, b.Addr),
		cmp.Compare(a.Module, b.Module), strings.Compare(a.Name, b.Name))
}

// orderSymbols sorts symbols by address, then module and name, and keeps the order
// of those that are alike. A kernel has hundreds of thousands, each larger than a
// cache line, so that their places are sorted and each is moved once.
func orderSymbols(list []Symbol) {
	sorted := true
	for i := 1; i < len(list) && sorted; i++ {
		sorted = bySymbol(&list[i-1], &list[i]) <= 0
	}
	if sorted {
		return
	}
	type key struct {
		addr uint64
		from int32
		tls  int32
	}
	keys := make([]key, len(list))
	for i := range list {
		keys[i] = key{list[i].Addr, int32(i), int32(isTLS(&list[i]))}
	}
	slices.SortFunc(keys, func(a, b key) int {
		switch {
		case a.tls != b.tls:
			return cmp.Compare(a.tls, b.tls)
		case a.addr != b.addr:
			return cmp.Compare(a.addr, b.addr)
		}
		return cmp.Or(bySymbol(&list[a.from], &list[b.from]), cmp.Compare(a.from, b.from))
	})
	for i := range keys { // along each cycle of the permutation
		if keys[i].from < 0 {
			continue
		}
		first, at := list[i], i
		for {
			from := int(keys[at].from)
			keys[at].from = -1
			if from == i {
				list[at] = first
				break
			}
			list[at] = list[from]
			at = from
		}
	}
}

// indexNames finds symbols by their names. Most names are there once, and their
// lists are parts of one array.
func indexNames(symbols []Symbol) map[string][]int32 {
	names := make(map[string][]int32, len(symbols))
	self := make([]int32, len(symbols))
	for i := range symbols {
		self[i] = int32(i)
		if list, ok := names[symbols[i].Name]; ok {
			names[symbols[i].Name] = append(list, int32(i))
		} else {
			names[symbols[i].Name] = self[i : i+1 : i+1]
		}
	}
	return names
}

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
	if module >= 0 && module < len(img.modules) && !img.modules[module].Main {
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
