package prove

import (
	"iter"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/reloc/image"
)

// A Comparer compares atoms of pre with run, each at one address. It decides nothing: what it
// finds depends on the atom, the address and the image alone. It is not safe for concurrent
// use.
type Comparer struct {
	names
	linked bool // a dynamic linker links run
	siteIndex
	codeRows
	plans
	stubs map[uint64]stub
	// aside says of code out of line whether it is at an address.
	aside map[Node]bool
	scratch
	// inner compares what is looked at in the middle of a comparison.
	inner *Comparer
	depth int
}

// scratch is room for the comparison that is being made.
type scratch struct {
	cluster siteMatch
	use     use
	binds   slab[Binding] // what trials have found
	consts  slab[int32]
}

// New reads the tables of pre. With noSymbols nothing is known of run's names; with a
// module other than NoModule only what is there is looked for.
func New(pre *object.Object, img *image.Image, noSymbols bool, only int) *Comparer {
	m := &Comparer{
		names: newNames(pre, img, noSymbols, only), linked: img.IsLinked(),
		siteIndex: newSiteIndex(pre), codeRows: codeRows{rows: FindRows(pre)},
		stubs: make(map[uint64]stub), aside: make(map[Node]bool),
	}
	m.makePlans()
	m.expect()
	return m
}

// Functions yields the functions of an object: all but empty sections.
func Functions(pre *object.Object) iter.Seq[*object.Atom] {
	return func(yield func(*object.Atom) bool) {
		for _, a := range pre.Functions() {
			if (a.Size > 0 || !a.Anonymous()) && !yield(a) {
				return
			}
		}
	}
}

// FuncIndex returns the number of each function among [Functions], by atom; -1 for what is
// none. The slice is shared and must not be changed.
func (m *Comparer) FuncIndex() []int32 { return m.planAt }

// expect makes ready for as many trials as there are functions.
func (m *Comparer) expect() {
	m.binds, m.consts = slab[Binding]{}, slab[int32]{}
	for i := range m.list {
		m.binds.want += m.list[i].values
	}
}

// Compare makes a trial what it is to be.
func (m *Comparer) Compare(t *Trial) {
	a := m.Pre.Atom(t.Atom)
	room := len(a.Refs)
	if pl := m.planOf(a.ID); pl != nil {
		room = pl.values
	}
	t.Binds, t.Consts = m.binds.take(room), m.consts.take(minConsts)
	if t.Err = m.compareAtom(t, a); t.Err != nil {
		m.binds.give(t.Binds)
		m.consts.give(t.Consts)
		t.Binds, t.Consts, t.Patches = nil, nil, nil
		return
	}
	t.Binds, t.Consts = m.binds.keep(t.Binds), m.consts.keep(t.Consts)
}

func (m *Comparer) compareAtom(t *Trial, a *object.Atom) *Difference {
	if a.Kind == object.Func {
		return m.compareCode(t, a)
	}
	return m.compareData(t, a)
}

// CompareAway compares an atom with code, or with a constant, that is live elsewhere than in
// its own module, which is home.
func (m *Comparer) CompareAway(id object.AtomID, addr uint64, home int) *Trial {
	t := &Trial{Node: Node{id, addr}, away: true, home: home}
	t.Err = m.compareAtom(t, m.Pre.Atom(id))
	return t
}

// Forget drops what was found out about references, as if nothing had been compared, so that
// comparing can be measured. What was looked up and read stays.
func (m *Comparer) Forget() {
	m.expect()
	m.classBinds = nil
	for i := range m.classes {
		m.classes[i].found = found{}
	}
	clear(m.stubs)
	m.epoch++
}

// maxInner bounds how deep comparisons are made in the middle of others.
const maxInner = 64

// isAside reports whether a piece of code out of line, which belongs to the places that refer
// to it, is at an address. It is asked in the middle of a comparison, so that another comparer
// looks, with room of its own.
func (m *Comparer) isAside(id object.AtomID, addr uint64) bool {
	n := Node{id, addr}
	if ok, known := m.aside[n]; known {
		return ok
	}
	if m.depth == maxInner {
		return false
	}
	if m.inner == nil {
		m.inner = &Comparer{
			names: m.names, linked: m.linked, siteIndex: m.siteIndex, codeRows: codeRows{rows: m.rows},
			stubs: m.stubs, aside: m.aside, depth: m.depth + 1,
		}
	}
	m.aside[n] = true // as far as it leads to itself
	t := Trial{Node: n}
	m.inner.Compare(&t)
	m.aside[n] = t.Err == nil
	return t.Err == nil
}
