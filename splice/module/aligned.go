package module

import (
	"cmp"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/extract"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/splice"
)

// aligned checks what code that travels assumes of the address of something that
// stays. KASLR moves the kernel by 2 MiB, and the loader lays the parts of a module
// out by their alignment from the start of a page, as the made-up addresses are.
func (l *linker) aligned(undefined map[string]elfobj.SymbolIndex, n *extract.Alignment) {
	i, ok := slices.BinarySearchFunc(l.carried.Externals, n.Symbol, func(e extract.External, s elfobj.SymbolIndex) int { return cmp.Compare(e.Symbol, s) })
	if !ok {
		return
	}
	e := &l.carried.Externals[i]
	addr, ok := l.addressOf(undefined, e)
	if !ok {
		return // resolve has refused it, or another module has it
	}
	if r := splice.Misaligned(n, e.Name, addr); r != nil {
		l.refused.add(r)
	}
}

// addressOf returns the address of what the object does not define, where run-pre
// matching or the kernel's symbols tell.
func (l *linker) addressOf(undefined map[string]elfobj.SymbolIndex, e *extract.External) (uint64, bool) {
	if e.Pre != object.NoAtom {
		return l.pair.Match.AtomAddr(e.Pre)
	}
	if i, ok := undefined[e.Name]; ok {
		if v, ok := l.pair.Match.SymbolValue(i); ok && v.Has&reloc.UseAddress != 0 {
			return v.Address, true
		}
	}
	if list := l.image.Symbols(e.Name); len(list) == 1 && l.pair.Target == nil {
		return list[0].Addr, true
	}
	return 0, false
}
