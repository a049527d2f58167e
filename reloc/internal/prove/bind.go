package prove

import (
	"bytes"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/reloc/image"
)

// bindSymbol takes the address of a symbol that pre doesn't define.
func (m *Comparer) bindSymbol(u *use) *Difference {
	sym := m.Sym(u.r.Sym)
	switch {
	case sym.Section == elfobj.SecAbs || u.r.Sym == 0:
		if u.s != sym.Value {
			return u.fail(ReasonSymbol, "the absolute symbol %s is %#x, in pre %#x", sym.Name, u.s, sym.Value)
		}
		return nil
	case u.s == 0 && sym.IsWeak():
		u.bind(InAddress, int32(u.r.Sym), 0, false)
		return nil
	}
	r := m.View.RegionAt(u.s)
	if r == nil && !m.KnownAt(m.SymbolPlaces(u.r.Sym), u.s, image.NoModule) && !m.Image.MayBound(u.s) {
		return u.fail(ReasonImplausible, "%s would be at %#x: nothing is mapped there", sym.Name, u.s)
	}
	if r != nil && r.Exec && m.stubAt(u.s).ok {
		return m.bindStub(u)
	}
	if u.h.Expr == amd64.ExprPLT && (r == nil || !r.Exec && !r.Freed) {
		return u.fail(ReasonImplausible, "%s would be at %#x, where nothing can execute", sym.Name, u.s)
	}
	if known := m.SymbolPlaces(u.r.Sym); len(known) > 0 {
		if !m.KnownAt(known, u.s, image.NoModule) {
			return u.fail(ReasonSymbol, "leads to %s, where pre has %s, which is at %#x", m.runName(u.s), sym.Name, known[0].Addr)
		}
		u.bind(InAddress, int32(u.r.Sym), u.s, false)
		return nil
	}
	if i := m.ModuleOf(u.s); i != image.NoModule && m.Image.HasAllSymbols(i) && !m.NoSymbols && !m.Image.HasNameAt(sym.Name, u.s) && !omitted(m.Image, sym.Name) {
		return u.fail(ReasonSymbol, "leads to %s, where pre has %s, which the module's symbols don't know there", m.runName(u.s), sym.Name)
	}
	u.bind(InAddress, int32(u.r.Sym), u.s, false)
	return nil
}

// bindAtom takes the address of what pre defines. It is soft when the dynamic
// linker may have put another definition there.
func (m *Comparer) bindAtom(u *use, soft bool) *Difference {
	g := m.Pre.Atom(u.r.Target)
	base := u.s - uint64(u.r.TargetOff)
	if !u.r.Implicit {
		base = u.s - m.symbolOff(u.r)
		soft = soft || m.Sym(u.r.Sym).IsWeak()
	}
	if soft {
		if r := m.View.RegionAt(u.s); r == nil {
			return u.fail(ReasonImplausible, "%s would be at %#x: nothing is mapped there", m.Label(g.ID), base)
		}
		if known := m.SymbolPlaces(u.r.Sym); m.Image.IsKernel() && !u.r.Implicit && len(known) > 0 && !m.KnownAt(known, u.s, image.NoModule) {
			return u.fail(ReasonSymbol, "leads to %s, where pre has the weak %s, which is at %#x", m.runName(u.s), m.Sym(u.r.Sym).Name, known[0].Addr)
		}
		u.bind(InAddress, int32(u.r.Sym), u.s, true)
		u.bind(InAtom, int32(g.ID), base, true)
		return nil
	}
	if why := m.implausible(g, base, u.t); why != "" {
		return u.fail(ReasonImplausible, "%s would be at %#x: %s", m.Label(g.ID), base, why)
	}
	if g.Kind.IsLiteral() {
		u.bind(InAtom, int32(g.ID), base, true)
		return m.compareLiteral(u, g, base)
	}
	if g.Kind == object.Func {
		place := base + uint64(u.r.TargetOff)
		if u.r.TargetOff == 0 && !m.MayBe(g.ID, base) {
			return u.fail(ReasonSymbol, "leads to %s, where pre has %s%s", m.runName(base), g.Name, m.elsewhere(g.ID))
		}
		u.t.bind(Binding{Key: Key{InAtom, int32(g.ID), u.r.TargetOff}, Value: place, Ref: u.r.Offset})
		return nil
	}
	if !m.MayBe(g.ID, base) {
		return u.fail(ReasonSymbol, "leads to %s, where pre has %s%s", m.runName(base), g.Name, m.elsewhere(g.ID))
	}
	if g.Kind == object.Const && !u.r.Edge && !g.Jumps {
		u.t.Consts = append(u.t.Consts, int32(len(u.t.Binds)))
	}
	u.bind(InAtom, int32(g.ID), base, false)
	return nil
}

// compareLiteral compares a string or a mergeable constant, of which the linker
// keeps one copy or many.
func (m *Comparer) compareLiteral(u *use, g *object.Atom, base uint64) *Difference {
	run, err := m.View.Bytes(base, uint64(len(g.Bytes)))
	if m.IsFreed(base) {
		return nil
	}
	if err != nil {
		e := u.fail(ReasonUnreadable, "%s", m.Label(g.ID))
		e.Err = err
		return e
	}
	if bytes.Equal(run, g.Bytes) {
		return nil
	}
	e := u.fail(ReasonContent, "%s", m.Label(g.ID))
	e.Target, e.Pre, e.Run = base, g.Bytes, run
	return e
}
