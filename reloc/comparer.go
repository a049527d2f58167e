package reloc

import (
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/reloc/image"
	"iter"
)

// comparer compares atoms of pre with run, each at one address. It decides nothing: what it
// finds depends on the atom, the address and the image alone. It is not safe for concurrent
// use.
type comparer struct {
	*names
	linked bool // a dynamic linker links run
	siteIndex
	codeRows
	plans
	stubs map[uint64]stub
	// aside says of code out of line whether it is at an address.
	aside map[node]bool
	scratch
	// inner compares what is looked at in the middle of a comparison.
	inner *comparer
	depth int
}

// scratch is room for the comparison that is being made.
type scratch struct {
	cluster siteMatch
	use     use
	binds   slab[binding] // what trials have found
	consts  slab[int32]
}

// newComparer reads the tables of pre. With noSymbols nothing is known of run's names; with a
// module other than NoModule only what is there is looked for.
func newComparer(pre *object.Object, img *image.Image, noSymbols bool, only int) *comparer {
	m := &comparer{
		names: newNames(pre, img, noSymbols, only), linked: img.IsLinked(),
		siteIndex: newSiteIndex(pre), codeRows: codeRows{rows: findRows(pre)},
		stubs: make(map[uint64]stub), aside: make(map[node]bool),
	}
	m.makePlans()
	m.expect()
	return m
}

// functions yields the functions of an object: all but empty sections.
func functions(pre *object.Object) iter.Seq[*object.Atom] {
	return func(yield func(*object.Atom) bool) {
		for _, a := range pre.Functions() {
			if (a.Size > 0 || !a.Anonymous()) && !yield(a) {
				return
			}
		}
	}
}

// expect makes ready for as many trials as there are functions.
func (m *comparer) expect() {
	m.binds, m.consts = slab[binding]{}, slab[int32]{}
	for i := range m.list {
		m.binds.want += m.list[i].values
	}
}

// compare makes a trial what it is to be.
func (m *comparer) compare(t *trial) {
	a := m.pre.Atom(t.atom)
	room := len(a.Refs)
	if pl := m.planOf(a.ID); pl != nil {
		room = pl.values
	}
	t.binds, t.consts = m.binds.take(room), m.consts.take(minConsts)
	if t.err = m.compareAtom(t, a); t.err != nil {
		m.binds.give(t.binds)
		m.consts.give(t.consts)
		t.binds, t.consts, t.patches = nil, nil, nil
		return
	}
	t.binds, t.consts = m.binds.keep(t.binds), m.consts.keep(t.consts)
}

func (m *comparer) compareAtom(t *trial, a *object.Atom) *difference {
	if a.Kind == object.Func {
		return m.compareCode(t, a)
	}
	return m.compareData(t, a)
}

// compareAway compares an atom with code, or with a constant, that is live elsewhere than in
// its own module, which is home.
func (m *comparer) compareAway(id object.AtomID, addr uint64, home int) *trial {
	t := &trial{node: node{id, addr}, away: true, home: home}
	t.err = m.compareAtom(t, m.pre.Atom(id))
	return t
}

// maxInner bounds how deep comparisons are made in the middle of others.
const maxInner = 64

// isAside reports whether a piece of code out of line, which belongs to the places that refer
// to it, is at an address. It is asked in the middle of a comparison, so that another comparer
// looks, with room of its own.
func (m *comparer) isAside(id object.AtomID, addr uint64) bool {
	n := node{id, addr}
	if ok, known := m.aside[n]; known {
		return ok
	}
	if m.depth == maxInner {
		return false
	}
	if m.inner == nil {
		m.inner = &comparer{
			names: m.names, linked: m.linked, siteIndex: m.siteIndex, codeRows: codeRows{rows: m.rows},
			stubs: m.stubs, aside: m.aside, depth: m.depth + 1,
		}
	}
	m.aside[n] = true // as far as it leads to itself
	t := trial{node: n}
	m.inner.compare(&t)
	m.aside[n] = t.err == nil
	return t.err == nil
}
