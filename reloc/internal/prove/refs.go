package prove

import (
	"debug/elf"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/reloc/internal/rewrite"
)

// use is one reference of an atom that is being tried, and the field that run
// has in its place.
type use struct {
	t *Trial
	a *object.Atom
	r *object.Ref
	h *amd64.Howto
	p uint64 // run address of the field
	s uint64 // solved, in the meaning of h.Expr
}

func (u *use) fail(r reason, format string, args ...any) *Difference {
	e := u.t.Fail(r, u.r.Offset, u.p-u.t.Addr, format, args...)
	e.Target = u.s
	return e
}

func (u *use) bind(space Space, id int32, value uint64, soft bool) {
	u.t.bind(Binding{Key: Key{Space: space, ID: id}, Value: value, Ref: u.r.Offset, Soft: soft})
}

// solvers has a row for each expression that a field can hold. Expressions
// without one occur in the large code model only, which counts from the GOT.
var solvers = [...]func(*Comparer, *use) *Difference{
	amd64.ExprNone:     func(*Comparer, *use) *Difference { return nil },
	amd64.ExprAbs:      (*Comparer).solvePlace,
	amd64.ExprPC:       (*Comparer).solvePlace,
	amd64.ExprPLT:      (*Comparer).solvePlace,
	amd64.ExprGOTBase:  (*Comparer).solvePlace, // the symbol is _GLOBAL_OFFSET_TABLE_
	amd64.ExprGOTPC:    (*Comparer).solveGOT,
	amd64.ExprTPOff:    (*Comparer).solveTP,
	amd64.ExprDTPOff:   (*Comparer).solveTLS,
	amd64.ExprTPSlot:   (*Comparer).solveTLSSlot,
	amd64.ExprTLSGD:    (*Comparer).solveTLSSlot,
	amd64.ExprDescSlot: (*Comparer).solveTLSSlot,
	amd64.ExprTLSLD:    (*Comparer).solveTLSSlot,
	amd64.ExprSize:     (*Comparer).solveSize,
}

// solverOf returns the row of an expression, or nil.
func solverOf(e amd64.Expr) func(*Comparer, *use) *Difference {
	if int(e) < len(solvers) {
		return solvers[e]
	}
	return nil
}

// solve turns one relocation around: field is what run has at address p.
func (m *Comparer) solve(t *Trial, a *object.Atom, i int, field []byte, p uint64) *Difference {
	return m.solveRef(t, a, &a.Refs[i], field, p)
}

// solveRef is solve for a reference that may be one of another atom's, which the
// atom has taken over.
func (m *Comparer) solveRef(t *Trial, a *object.Atom, r *object.Ref, field []byte, p uint64) *Difference {
	u := &m.use
	*u = use{t: t, a: a, r: r, p: p}
	return m.solveUse(u, field)
}

func (m *Comparer) solveUse(u *use, field []byte) *Difference {
	r := u.r
	var ok bool
	if u.h, ok = amd64.HowtoOf(r.Type); !ok {
		return u.fail(ReasonUnsupported, "relocation type %d", r.Type)
	}
	fn := solverOf(u.h.Expr)
	if fn == nil {
		return u.fail(ReasonUnsupported, "%s", u.h.Name)
	}
	if u.h.Size == 0 {
		return nil
	}
	s, err := u.h.Solve(field, r.Addend, u.p)
	if err != nil {
		e := u.fail(ReasonUnsupported, "%s", u.h.Name)
		e.Err = err
		return e
	}
	u.s = s
	if u.h.PCRel && u.h.Size == 4 && m.rewritten(u.p) {
		m.uncount(u)
	}
	return fn(m, u)
}

// uncount takes back what call depth tracking does to calls: they lead to the
// end of the padding in front of the function, which counts them.
func (m *Comparer) uncount(u *use) {
	to := u.s + m.placeOff(u.r)
	if b, err := m.View.Bytes(to, rewrite.DepthCount); err == nil && rewrite.IsDepthCount(b) {
		u.s += rewrite.DepthCount
	}
}

// solveAt takes it that a reference whose field is at p means the run address
// to, whatever the field looks like.
func (m *Comparer) solveAt(t *Trial, a *object.Atom, r *object.Ref, p, to uint64) *Difference {
	h, ok := amd64.HowtoOf(r.Type)
	if !ok {
		return nil
	}
	u := use{t: t, a: a, r: r, h: h, p: p, s: to - m.placeOff(r)}
	if h.Expr == amd64.ExprGOTPC {
		u.h, _ = amd64.HowtoOf(relPC32)
	}
	return m.solvePlace(&u)
}

// solvePlace handles what holds an address or a distance to one.
func (m *Comparer) solvePlace(u *use) *Difference {
	if u.h.Expr == amd64.ExprAbs && u.h.Size == 8 {
		if desc, ok := m.slotAt(u.p); ok {
			return m.solveSlotWord(u, desc)
		}
	}
	if u.r.Target == object.NoAtom {
		return m.bindSymbol(u)
	}
	if m.viaPLT(u) {
		return m.bindStub(u)
	}
	return m.bindAtom(u, false)
}

// solveSlotWord handles a word of data that the dynamic linker fills in.
func (m *Comparer) solveSlotWord(u *use, desc image.Slot) *Difference {
	if sym := m.Sym(u.r.Sym); desc.Name != "" && sym.Name != "" && desc.Name != sym.Name && u.r.Target == object.NoAtom {
		return u.fail(ReasonSymbol, "the dynamic linker puts %s there, where pre has %s", desc.Name, sym.Name)
	}
	if desc.IFunc || !m.Image.IsLive() && !desc.Defined {
		return nil // nothing there yet
	}
	if u.r.Target == object.NoAtom {
		return m.bindSymbol(u)
	}
	return m.bindAtom(u, desc.Name != "")
}

// viaPLT reports whether a reference to a function that pre defines may have
// been led through a PLT entry, because the symbol can be preempted or is an
// IFUNC, and was.
func (m *Comparer) viaPLT(u *use) bool {
	sym := m.Sym(u.r.Sym)
	if u.r.Implicit || sym.Bind() == elf.STB_LOCAL && sym.Type() != elf.STT_GNU_IFUNC {
		return false
	}
	if m.Pre.Atom(u.r.Target).Kind != object.Func || u.h.Expr != amd64.ExprPLT && sym.Type() != elf.STT_GNU_IFUNC {
		return false
	}
	return m.stubAt(u.s).ok
}

// bindStub takes the address of a PLT entry, and of where it leads when the
// slot is bound.
func (m *Comparer) bindStub(u *use) *Difference {
	st := m.stubAt(u.s)
	sym := m.Sym(u.r.Sym)
	if st.desc.Name != "" && st.desc.Name != sym.Name {
		return u.fail(ReasonSymbol, "leads to the PLT entry of %s, where pre has %s", st.desc.Name, sym.Name)
	}
	if st.desc.Type == elf.R_X86_64_IRELATIVE && !m.resolves(sym.Name, uint64(st.desc.Addend)) {
		return u.fail(ReasonSymbol, "leads to a PLT entry that %s resolves, where pre has %s", m.runName(uint64(st.desc.Addend)), sym.Name)
	}
	u.bind(InPLT, int32(u.r.Sym), u.s, false)
	final, ok := m.bound(st.slot, st.desc)
	if !ok {
		return nil
	}
	if next := m.stubAt(final); next.ok { // the canonical PLT entry of a program
		if final, ok = m.bound(next.slot, next.desc); !ok {
			return nil
		}
	}
	u.bind(InAddress, int32(u.r.Sym), final, true)
	if u.r.Target != object.NoAtom {
		u.bind(InAtom, int32(u.r.Target), final-m.symbolOff(u.r), true)
	}
	return nil
}

// symbolOff returns the distance of the reference's symbol from the start of
// its target.
func (m *Comparer) symbolOff(r *object.Ref) uint64 {
	return m.Sym(r.Sym).Value - m.Pre.Atom(r.Target).Offset
}

// placeOff returns the distance of the place that r means from the value that
// solving it gives.
func (m *Comparer) placeOff(r *object.Ref) uint64 {
	switch {
	case r.Implicit:
		return 0
	case r.Target == object.NoAtom:
		return uint64(r.TargetOff)
	}
	return uint64(r.TargetOff) - m.symbolOff(r)
}

// solveGOT handles a reference to a GOT slot.
func (m *Comparer) solveGOT(u *use) *Difference {
	sym := m.Sym(u.r.Sym)
	at := u.s
	if why := m.noSlot(at); why != "" {
		return u.fail(ReasonImplausible, "the GOT slot of %s would be at %#x: %s", sym.Name, at, why)
	}
	desc, dynamic := m.slotAt(at)
	if desc.Name != "" && sym.Name != "" && desc.Name != sym.Name {
		return u.fail(ReasonSymbol, "leads to the GOT slot of %s, where pre has %s", desc.Name, sym.Name)
	}
	if dynamic && !addressSlots[desc.Type] {
		return u.fail(ReasonImplausible, "the GOT slot of %s would be at %#x, which the dynamic linker fills with something else (%v)", sym.Name, at, desc.Type)
	}
	u.bind(InGOT, int32(u.r.Sym), at, false)
	if !dynamic && m.hasTables(at) { // the linker knew the address
		if u.s, _ = m.View.Word(at); u.r.Target != object.NoAtom {
			return m.bindAtom(u, false)
		}
		return m.bindSymbol(u)
	}
	final, ok := m.bound(at, desc)
	if !ok {
		return nil
	}
	if next := m.stubAt(final); next.ok {
		if final, ok = m.bound(next.slot, next.desc); !ok {
			return nil
		}
	}
	u.s = final
	if u.r.Target != object.NoAtom {
		return m.bindAtom(u, dynamic)
	}
	if dynamic {
		u.bind(InAddress, int32(u.r.Sym), final, true)
		return nil
	}
	return m.bindSymbol(u)
}

// noSlot returns why there can't be a GOT slot at an address, "" when there can.
func (m *Comparer) noSlot(at uint64) string {
	switch r := m.View.RegionAt(at); {
	case r == nil || !r.Read:
		return "nothing is mapped there"
	case at%8 != 0:
		return "slots are aligned"
	}
	return ""
}

// hasTables reports whether the dynamic relocations of the module at addr are
// known.
func (m *Comparer) hasTables(addr uint64) bool {
	return m.Image.HasTables(m.ModuleOf(addr))
}

// solveSize handles R_X86_64_SIZE*: what a symbol's size is can be checked for
// what pre defines.
func (m *Comparer) solveSize(u *use) *Difference {
	if sym := m.Sym(u.r.Sym); u.r.Target != object.NoAtom && u.s != sym.Size {
		return u.fail(ReasonSymbol, "%s has %d bytes, in pre %d", sym.Name, u.s, sym.Size)
	}
	return nil
}
