package extraction

import (
	"debug/elf"
	"fmt"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/extract"
	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/internal/tables"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
)

// relocate writes the relocations of all that travels.
func (x *extraction) relocate() {
	for i := range x.Post.Atoms {
		a := &x.Post.Atoms[i]
		h := x.home[i]
		if h.sec == 0 {
			continue
		}
		for k := range a.Refs {
			r := &a.Refs[k]
			if object.IsShort(r) {
				continue // it leads to an island
			}
			sym, addend := x.symbolFor(a, r)
			x.b.AddRela(h.sec, elfobj.Rela{Offset: h.off + r.Offset, Addend: addend, Sym: sym, Type: r.Type})
		}
		list, _ := IslandsOf(a)
		for _, is := range list {
			sym, addend := x.symbolFor(a, &is.jump)
			x.b.AddRela(h.sec, elfobj.Rela{Offset: uint64(int64(h.off) + is.at + 1), Addend: addend, Sym: sym, Type: amd64.PC32})
		}
	}
}

// symbolFor returns the symbol and the addend by which the extracted object
// says what r means.
func (x *extraction) symbolFor(a *object.Atom, r *object.Ref) (elfobj.SymbolIndex, int64) {
	if r.Target == object.NoAtom {
		return x.outside(object.NoAtom, x.Post.Symbol(r.Sym)), r.Addend
	}
	t := &x.Post.Atoms[r.Target]
	if BySlot(r) {
		return x.slotSymbol(r, t), r.Addend
	}
	if e, ok := tables.At(x.Post, r); ok && x.Tables && x.Included[e.Site().Target] {
		return x.entrySymbol(e, int64(x.Post.Symbol(r.Sym).Value)+r.Addend-int64(t.Offset)-int64(e.Off))
	}
	addend := r.Addend - int64(t.Offset)
	switch {
	case r.Implicit:
		addend = r.TargetOff + r.Addend
	default:
		addend += int64(x.Post.Symbol(r.Sym).Value)
	}
	if at, ok := x.there[t.ID]; ok {
		return x.outside(at.atom, nil), addend + at.off
	}
	pre := x.PreOf[t.ID]
	h := x.home[t.ID]
	if pre != object.NoAtom && (!x.Included[t.ID] || TakesIdentity(a, r, t)) {
		return x.outside(pre, nil), addend
	}
	if h.symbol == 0 { // include should have refused it
		x.err = fmt.Errorf("extract: %s refers to %s, which has no place", insn.Describe(x.Post, a.ID, int64(r.Offset)), insn.RefText(x.Post, r))
		return 0, addend
	}
	if x.b.Symbol(h.symbol).Type() == elf.STT_SECTION {
		addend += int64(h.off)
	}
	return h.symbol, addend
}

// slotSymbol returns the symbol whose address the linker puts into the slot that r
// reads. What r adds counts from the slot, not from the symbol, so that a place
// inside an atom needs a symbol of its own.
func (x *extraction) slotSymbol(r *object.Ref, t *object.Atom) elfobj.SymbolIndex {
	h, inside := x.home[t.ID], Inside(x.Post, r, t)
	if pre := x.PreOf[t.ID]; pre != object.NoAtom && (!x.Included[t.ID] || t.Kind == object.Func && t.Owner == object.NoAtom) && inside == 0 {
		return x.outside(pre, nil)
	}
	if h.symbol == 0 || inside < 0 || uint64(inside) > t.Size { // include should have refused it
		x.err = fmt.Errorf("extract: %s has no place for a slot", insn.RefText(x.Post, r))
		return 0
	}
	if off := h.off + uint64(inside); off != x.b.Symbol(h.symbol).Value || x.b.Symbol(h.symbol).Type() == elf.STT_SECTION {
		return x.within(&h, uint64(inside), symbolType(t))
	}
	return h.symbol
}

// slotTypes lists the relocations whose addend counts from a slot of the GOT that
// the linker makes for the symbol (psABI section 4.4.1, G + GOT + A - P; ELF
// Handling For Thread-Local Storage, section 4.4.6). GOTPCREL stands for those that
// amd64.TypeClass takes for it.
var slotTypes = map[elf.R_X86_64]bool{
	elf.R_X86_64_GOTPCREL: true, elf.R_X86_64_GOT32: true, elf.R_X86_64_GOT64: true, elf.R_X86_64_GOTPCREL64: true,
	elf.R_X86_64_GOTTPOFF: true, elf.R_X86_64_TLSGD: true, elf.R_X86_64_TLSLD: true, elf.R_X86_64_GOTPC32_TLSDESC: true,
}

// BySlot reports whether r reads a slot that holds the address of its symbol.
func BySlot(r *object.Ref) bool {
	return !r.Implicit && slotTypes[elf.R_X86_64(amd64.TypeClass(r.Type))]
}

// Inside returns where in t the symbol of r stands.
func Inside(o *object.Object, r *object.Ref, t *object.Atom) int64 {
	return int64(o.Symbol(r.Sym).Value - t.Offset)
}

// TakesIdentity reports whether r takes the address of the function t, instead
// of leading into its code: for a call, for what describes code, and for
// places inside, the code that travels is meant.
func TakesIdentity(a *object.Atom, r *object.Ref, t *object.Atom) bool {
	return t.Kind == object.Func && t.Owner == object.NoAtom && r.TargetOff == 0 && !a.Jumps && a.Kind != object.Unwind && a.Kind != object.LSDA && !object.IsCall(a, r)
}

// outside returns the undefined symbol that stands for an atom of pre, or for
// a symbol that pre does not define either.
func (x *extraction) outside(pre object.AtomID, s *elfobj.Symbol) elfobj.SymbolIndex {
	var sym elfobj.Symbol
	key := externalKey{pre: pre}
	if pre != object.NoAtom {
		p := &x.Pre.Atoms[pre]
		sym = elfobj.Symbol{Name: p.Name, Info: elf.ST_INFO(elf.STB_GLOBAL, symbolType(p))}
		if sym.Name == "" {
			sym.Name = fmt.Sprintf("%s+%#x", x.Pre.SectionName(p.Section), p.Offset)
		}
	} else {
		sym = *s
		key.name = s.Name
	}
	if i, ok := x.ext[key]; ok {
		return i
	}
	name := sym.Name
	if sym.Section == elfobj.SecUndef {
		sym.Name = x.unique(name)
	}
	i := x.add(sym)
	x.ext[key] = i
	x.exts = append(x.exts, extract.External{Symbol: i, Name: name, Pre: pre})
	return i
}

func symbolType(a *object.Atom) elf.SymType {
	switch a.Kind {
	case object.Func:
		return elf.STT_FUNC
	case object.TLS:
		return elf.STT_TLS
	}
	return elf.STT_OBJECT
}

// unique makes a name that no other symbol of the extracted object has: foo,
// then foo.run when foo is the replacement, then foo.run.2.
func (x *extraction) unique(name string) string {
	n := x.names[name]
	x.names[name]++
	switch n {
	case 0:
		return name
	case 1:
		return name + ".run"
	}
	return fmt.Sprintf("%s.run.%d", name, n)
}
