package elfdiff

import (
	"cmp"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
)

// traced says what becomes of the addresses of some atoms in the code of an object.
type traced struct {
	// Of its address, of what it holds, and of what that leads to.
	addr, inner, deep map[object.AtomID]*fate
	syms              map[string]*fate // of the addresses of symbols that are defined elsewhere
	into              map[object.AtomID][]object.AtomID
	intoSyms          map[object.AtomID][]string
}

// traceQuery is what is followed, and where.
type traceQuery struct {
	functions func(*object.Atom) bool // in which code
	atoms     func(*object.Atom) bool // whose addresses
	symbols   map[string]bool         // and of which undefined symbols
	travels   func(object.AtomID) bool
}

// trace follows addresses through all functions that are asked for.
func (f *flows) trace(q *traceQuery) *traced {
	t := &traced{addr: map[object.AtomID]*fate{}, inner: map[object.AtomID]*fate{}, deep: map[object.AtomID]*fate{}, syms: map[string]*fate{}, into: map[object.AtomID][]object.AtomID{}, intoSyms: map[object.AtomID][]string{}}
	for i := range f.o.Atoms {
		a := &f.o.Atoms[i]
		switch {
		case a.Kind == object.Func && a.Owner == object.NoAtom && q.functions(a):
			t.function(f, a.ID, q)
		case a.Aside:
			t.aside(f.o, a, q)
		}
	}
	return t
}

// aside is for code that belongs to the places that refer to it: it is not followed.
func (t *traced) aside(o *object.Object, a *object.Atom, q *traceQuery) {
	for i := range a.Refs {
		r := &a.Refs[i]
		if r.Target != object.NoAtom && q.atoms(&o.Atoms[r.Target]) {
			e := escape{flowPlace{a.ID, r.Offset}, "is used in " + o.SectionName(a.Section)}
			of(t.addr, r.Target).add(e, false)
			of(t.inner, r.Target).add(e, false)
			of(t.deep, r.Target).add(e, false)
		}
	}
}

func of[K comparable](m map[K]*fate, k K) *fate {
	if m[k] == nil {
		m[k] = &fate{}
	}
	return m[k]
}

// wanted lists what is followed in a function: atoms, then symbols.
func (t *traced) wanted(p *addrFlow, q *traceQuery) (atoms []object.AtomID, syms []string) {
	for _, id := range p.unit {
		for i := range p.o.Atoms[id].Refs {
			r := &p.o.Atoms[id].Refs[i]
			if r.Target != object.NoAtom {
				if q.atoms(&p.o.Atoms[r.Target]) {
					atoms = append(atoms, r.Target)
				}
			} else if !r.Implicit && len(q.symbols) > 0 {
				if name := p.o.Symbol(r.Sym).Name; q.symbols[name] {
					syms = append(syms, name)
				}
			}
		}
	}
	slices.Sort(atoms)
	slices.Sort(syms)
	return slices.Compact(atoms), slices.Compact(syms)
}

func (t *traced) function(f *flows, root object.AtomID, q *traceQuery) {
	first := f.of(root)
	atoms, syms := t.wanted(first, q)
	for len(atoms)+len(syms) > 0 {
		p := &addrFlow{flows: f, root: root, unit: first.unit, tabled: first.tabled, travels: q.travels}
		n := min(len(atoms), maxBits)
		m := min(len(syms), maxBits-n)
		p.follow(atoms[:n], syms[:m])
		if !p.run(flowState{}) {
			p.lost()
		}
		t.merge(p, atoms[:n], syms[:m])
		atoms, syms = atoms[n:], syms[m:]
	}
}

// follow gives things their bits.
func (f *addrFlow) follow(atoms []object.AtomID, syms []string) {
	f.bits, f.syms = map[object.AtomID]int{}, map[string]int{}
	for i, id := range atoms {
		f.bits[id] = i
		for k := range f.o.Atoms[id].Refs {
			if amd64.FieldSize(f.o.Atoms[id].Refs[k].Type) == 8 {
				f.words |= 1 << i
			} else {
				f.halves |= 1 << i
			}
		}
		if f.o.Atoms[id].Kind == object.Data { // others may be written there
			f.words |= 1 << i
		}
	}
	for i, name := range syms {
		f.syms[name] = len(atoms) + i
	}
}

// merge adds what was found in one function.
func (t *traced) merge(p *addrFlow, atoms []object.AtomID, syms []string) {
	for i, id := range atoms {
		of(t.addr, id).merge(&p.out.addr[i])
		of(t.inner, id).merge(&p.out.inner[i])
		of(t.deep, id).merge(&p.out.deep[i])
	}
	for i, name := range syms {
		of(t.syms, name).merge(&p.out.addr[len(atoms)+i])
	}
	for to, m := range p.out.into {
		for i, id := range atoms {
			if m.all()>>i&1 != 0 {
				t.into[to] = append(t.into[to], id)
			}
		}
		for i, name := range syms {
			if m.all()>>(len(atoms)+i)&1 != 0 {
				t.intoSyms[to] = append(t.intoSyms[to], name)
			}
		}
	}
}

// merge keeps the first of each.
func (f *fate) merge(g *fate) {
	f.kept, f.compared = cmp.Or(f.kept, g.kept), cmp.Or(f.compared, g.compared)
}
