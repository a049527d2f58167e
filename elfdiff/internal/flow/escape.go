package flow

import (
	"cmp"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
)

// Traced says what becomes of the addresses of some atoms in the code of an object.
type Traced struct {
	// Of its address, of what it holds, and of what that leads to.
	Addr, Inner, Deep map[object.AtomID]*fate
	Syms              map[string]*fate // of the addresses of symbols that are defined elsewhere
	Into              map[object.AtomID][]object.AtomID
	IntoSyms          map[object.AtomID][]string
}

// Query is what is followed, and where.
type Query struct {
	Functions func(*object.Atom) bool // in which code
	Atoms     func(*object.Atom) bool // whose addresses
	Symbols   map[string]bool         // and of which undefined symbols
	Travels   func(object.AtomID) bool
}

// Trace follows addresses through all functions that are asked for.
func (f *Flows) Trace(q *Query) *Traced {
	t := &Traced{Addr: map[object.AtomID]*fate{}, Inner: map[object.AtomID]*fate{}, Deep: map[object.AtomID]*fate{}, Syms: map[string]*fate{}, Into: map[object.AtomID][]object.AtomID{}, IntoSyms: map[object.AtomID][]string{}}
	for i := range f.o.Atoms {
		a := &f.o.Atoms[i]
		switch {
		case a.Kind == object.Func && a.Owner == object.NoAtom && q.Functions(a):
			t.function(f, a.ID, q)
		case a.Aside:
			t.aside(f.o, a, q)
		}
	}
	return t
}

// aside is for code that belongs to the places that refer to it: it is not followed.
func (t *Traced) aside(o *object.Object, a *object.Atom, q *Query) {
	for i := range a.Refs {
		r := &a.Refs[i]
		if r.Target != object.NoAtom && q.Atoms(&o.Atoms[r.Target]) {
			e := Escape{Place{a.ID, r.Offset}, "is used in " + o.SectionName(a.Section)}
			of(t.Addr, r.Target).add(e, asKept)
			of(t.Inner, r.Target).add(e, asKept)
			of(t.Deep, r.Target).add(e, asKept)
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
func (t *Traced) wanted(p *addrFlow, q *Query) (atoms []object.AtomID, syms []string) {
	for _, id := range p.unit {
		for i := range p.o.Atoms[id].Refs {
			r := &p.o.Atoms[id].Refs[i]
			if r.Target != object.NoAtom {
				if q.Atoms(&p.o.Atoms[r.Target]) {
					atoms = append(atoms, r.Target)
				}
			} else if !r.Implicit && len(q.Symbols) > 0 {
				if name := p.o.Symbol(r.Sym).Name; q.Symbols[name] {
					syms = append(syms, name)
				}
			}
		}
	}
	slices.Sort(atoms)
	slices.Sort(syms)
	return slices.Compact(atoms), slices.Compact(syms)
}

func (t *Traced) function(f *Flows, root object.AtomID, q *Query) {
	first := f.of(root)
	atoms, syms := t.wanted(first, q)
	for len(atoms)+len(syms) > 0 {
		p := &addrFlow{Flows: f, root: root, unit: first.unit, tabled: first.tabled, travels: q.Travels}
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
func (t *Traced) merge(p *addrFlow, atoms []object.AtomID, syms []string) {
	for i, id := range atoms {
		of(t.Addr, id).merge(&p.out.addr[i])
		of(t.Inner, id).merge(&p.out.inner[i])
		of(t.Deep, id).merge(&p.out.deep[i])
	}
	for i, name := range syms {
		of(t.Syms, name).merge(&p.out.addr[len(atoms)+i])
	}
	for to, m := range p.out.into {
		for i, id := range atoms {
			if m.all()>>i&1 != 0 {
				t.Into[to] = append(t.Into[to], id)
			}
		}
		for i, name := range syms {
			if m.all()>>(len(atoms)+i)&1 != 0 {
				t.IntoSyms[to] = append(t.IntoSyms[to], name)
			}
		}
	}
}

// merge keeps the first of each.
func (f *fate) merge(g *fate) {
	f.kept, f.compared, f.read = cmp.Or(f.kept, g.kept), cmp.Or(f.compared, g.compared), cmp.Or(f.read, g.read)
}
