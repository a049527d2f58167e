package image

import (
	"cmp"
	"debug/elf"
	"slices"
)

// Lookup returns the symbols of that name by address. There can be many: every
// file may have its static function of the same name, and every library its
// own copy of a symbol.
func (img *Image) Lookup(name string) []Symbol {
	var out []Symbol
	for _, i := range img.byName()[name] {
		out = append(out, img.symbols[i])
	}
	return out
}

// byName has the places in symbols by name, none in an image that nobody opened.
func (img *Image) byName() map[string][]int32 {
	if img.names == nil {
		return nil
	}
	return img.names()
}

// RegionAt returns the region that addr lies in, or nil.
func (img *Image) RegionAt(addr uint64) *Region {
	if i := img.regionIndex(addr); i >= 0 {
		return &img.regions[i]
	}
	return nil
}

// regionIndex returns the index of the region that addr lies in, or -1.
func (img *Image) regionIndex(addr uint64) int {
	lo, hi := 0, len(img.regions) // the first that starts behind addr
	for lo < hi {
		if mid := int(uint(lo+hi) / 2); img.regions[mid].Start <= addr {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == 0 || addr >= img.regions[lo-1].End {
		return -1
	}
	return lo - 1
}

// ModuleAt returns the module that addr lies in, and its number; nil and
// NoModule when it lies in none.
func (img *Image) ModuleAt(addr uint64) (*Module, int) {
	r := img.RegionAt(addr)
	if r == nil || r.Module == NoModule {
		return nil, NoModule
	}
	return &img.modules[r.Module], r.Module
}

// SymbolAt returns the symbol that addr lies in, and the offset of addr in it.
// Of several at one address it prefers global ones and those with a size. A
// symbol without a size reaches to the next one of its module.
func (img *Image) SymbolAt(addr uint64) (sym *Symbol, off uint64, ok bool) {
	list := img.symbols[:img.static]
	i, _ := slices.BinarySearchFunc(list, addr, func(s Symbol, a uint64) int {
		if s.Addr <= a {
			return -1
		}
		return 1
	})
	if i == 0 {
		return nil, 0, false
	}
	start := list[i-1].Addr
	rank := -1
	for j := i - 1; j >= 0 && list[j].Addr == start; j-- {
		s := &list[j]
		r := 0
		if s.Size > 0 {
			r += 4
		}
		if s.Type != elf.STT_NOTYPE {
			r += 2
		}
		if !s.Local {
			r++
		}
		if r >= rank {
			sym, rank = s, r
		}
	}
	if sym.Size > 0 && addr-start >= sym.Size {
		return nil, 0, false
	}
	if _, m := img.ModuleAt(addr); m != sym.Module {
		return nil, 0, false
	}
	return sym, addr - start, true
}

// SymbolsAt returns the symbols that start at addr, by module and name. The slice is
// shared and must not be changed.
func (img *Image) SymbolsAt(addr uint64) []Symbol { return img.symbolsAt(addr) }

// HasAllSymbols reports whether the symbol table of a module is known, with its local
// symbols: it was not stripped.
func (img *Image) HasAllSymbols(module int) bool {
	return module >= 0 && module < len(img.full) && img.full[module]
}

// NextSymbol returns the first address at or behind addr where a symbol starts.
func (img *Image) NextSymbol(addr uint64) (uint64, bool) {
	list := img.symbols[:img.static]
	i, _ := slices.BinarySearchFunc(list, addr, func(s Symbol, a uint64) int { return cmp.Compare(s.Addr, a) })
	if i == len(list) {
		return 0, false
	}
	return list[i].Addr, true
}

// symbolsAt returns the symbols that start at addr.
func (img *Image) symbolsAt(addr uint64) []Symbol {
	list := img.symbols[:img.static]
	lo, _ := slices.BinarySearchFunc(list, addr, func(s Symbol, a uint64) int { return cmp.Compare(s.Addr, a) })
	hi := lo
	for hi < len(list) && list[hi].Addr == addr {
		hi++
	}
	return list[lo:hi]
}

// Named returns the symbols of that name, by address, as indices into [Image.Symbols].
// The slice is shared and must not be changed.
func (img *Image) Named(name string) []int32 { return img.byName()[name] }

// IsKernel reports whether it is of a kernel or its modules.
func (img *Image) IsKernel() bool { return img.kernel }

// IsRunning reports whether it is of a kernel that has started: its code may have been
// rewritten, and what only starting needs is freed.
func (img *Image) IsRunning() bool { return img.running }

// IsLive reports whether it is of memory in which the dynamic linker, or the loader of a
// kernel, has done its work.
func (img *Image) IsLive() bool { return img.live }

// Samples returns the samples of its code, nil where there are none: of memory that may
// change, and of more than a gibibyte.
func (img *Image) Samples() *Samples { return img.samples }

// HasNameAt reports whether a symbol called name is at addr. That of an IFUNC is
// at its resolver, where no reference leads.
func (img *Image) HasNameAt(name string, addr uint64) bool {
	for _, i := range img.byName()[name] {
		if img.symbols[i].Addr == addr && int(i) < img.static {
			return true
		}
	}
	return false
}
