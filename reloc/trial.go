package reloc

import (
	"fmt"

	"github.com/gosplice/gosplice/elfdiff/object"
)

// space is what kind of value a key names.
type space uint8

const (
	inAtom    space = iota // run address of a place in a pre atom
	inAddress              // run address of a symbol that pre doesn't define, or that may be preempted
	inPLT                  // the symbol's PLT entry
	inGOT                  // its GOT slot
	inTPAtom               // thread pointer offset of a TLS atom
	inTPOff                // thread pointer offset of a symbol
	inTLSAtom              // offset of a TLS atom in the TLS block
	inTLS                  // offset of a symbol in the TLS block
	inTLSSlot              // GOT slot (pair) of a TLS symbol
	inRuntime              // content of the runtime constant that a section describes, by its atom
)

// key names one unknown: what matching solves for.
type key struct {
	space space
	id    int32 // an AtomID or a symbol index, depending on space
	off   int64 // of inAtom with a function: the place in it; 0 otherwise
}

// binding is one equation solved: key is value, as the reference at offset ref
// of the atom that was tried says.
type binding struct {
	key   key
	value uint64
	ref   uint64
	more  uint32 // how many more references of that atom say the same
	// soft says that the value is a hint only: the reference may have been
	// preempted, or the literal it leads to has no identity.
	soft bool
}

// node is an atom tried at an address.
type node struct {
	atom object.AtomID
	addr uint64
}

// trial is the outcome of comparing one atom with run at one address. It
// depends on nothing but these two, so that the order of trials has no
// influence on the result.
type trial struct {
	node
	size    uint64 // bytes in run
	shifts  []Shift
	binds   []binding
	consts  []int32 // indices into binds of constants whose content is a part of this
	patches []Patch
	err     *MismatchError

	next  *trial // of the same atom, tried before
	count int32  // of those

	// away says that it is code that is live elsewhere, for which the places of
	// constants are not those of pre's module; see follow.
	away bool
	// alive says that all constants that it leads to are known to be equal.
	alive bool
	// committed says that its bindings are among the values.
	committed bool
	// watched says that its function waits for the values it depends on.
	watched bool
}

// at maps an offset in pre to a run address.
func (t *trial) at(off int64) uint64 {
	f := FuncResult{Shifts: t.shifts}
	if off >= 0 && len(t.shifts) > 0 {
		return t.addr + f.RunOffset(uint64(off))
	}
	return t.addr + uint64(off)
}

// bind adds an equation.
func (t *trial) bind(b binding) { t.binds = append(t.binds, b) }

// fail makes the error of a trial. Details are formatted when there is a
// format.
func (t *trial) fail(r Reason, off, runOff uint64, format string, args ...any) *MismatchError {
	e := &MismatchError{Addr: t.addr, Reason: r, Offset: off, RunOffset: runOff}
	if format != "" {
		e.Detail = fmt.Sprintf(format, args...)
	}
	return e
}

// try compares an atom with run at an address, once.
func (m *matcher) try(id object.AtomID, addr uint64) *trial {
	n := node{id, addr}
	if t := m.trials.of(n); t != nil {
		return t
	}
	t, a := m.trials.add(n), m.pre.Atom(id)
	if m.binds.busy > 0 {
		m.compareInside(t, a)
	} else {
		m.compare(t, a)
	}
	return t
}

// compare makes a trial what it is to be.
func (m *matcher) compare(t *trial, a *object.Atom) {
	room := len(a.Refs)
	if pl := m.planOf(a.ID); pl != nil {
		room = pl.values
	}
	t.binds, t.consts = m.binds.take(room), m.consts.take(minConsts)
	if a.Kind == object.Func {
		t.err = m.compareCode(t, a)
	} else {
		t.err = m.compareData(t, a)
	}
	if t.err != nil {
		m.binds.give(t.binds)
		m.consts.give(t.consts)
		t.binds, t.consts, t.patches = nil, nil, nil
		return
	}
	t.binds, t.consts = m.binds.keep(t.binds), m.consts.keep(t.consts)
}

// compareInside is compare in the middle of another trial, which finds the matcher
// as it was: the sites that it is at, and which classes it has met. What those mean
// in another region does not hold in its own.
func (m *matcher) compareInside(t *trial, a *object.Atom) {
	cluster, serial, module, volatile := m.cluster, m.serial, m.classModule, m.classVolatile
	m.cluster = siteMatch{}
	m.compare(t, a)
	m.cluster, m.serial = cluster, serial
	m.enterClasses(module, volatile)
}

// minConsts is how many constants a trial has room for at first.
const minConsts = 4

// slab is memory that trials share: each appends to what is left, and leaves what
// it doesn't need.
type slab[T any] struct {
	left []T // of length 0
	want int // how many are expected that there is no memory for yet
	size int // how many the latest memory had room for
	// busy is how many trials are being made: a trial in the middle of another
	// gets memory of its own.
	busy int
}

// maxSlab is how many are made room for at a time.
const maxSlab = 512

// take returns an empty list with room for n.
func (s *slab[T]) take(n int) []T {
	if s.busy++; s.busy > 1 {
		return make([]T, 0, n)
	}
	if cap(s.left) >= n {
		return s.left
	}
	if s.want > 0 {
		s.size = min(maxSlab, s.want)
	} else {
		s.size = min(maxSlab, 16+2*s.size)
	}
	s.size = max(n, s.size)
	s.want -= s.size
	return make([]T, 0, s.size)
}

// keep returns a list, to which nothing can be appended in place.
func (s *slab[T]) keep(list []T) []T {
	n := len(list)
	s.give(list[n:n])
	return list[:n:n]
}

// give takes back memory that nobody needs.
func (s *slab[T]) give(left []T) {
	if s.busy--; s.busy == 0 {
		s.left = left[:0]
	}
}

// trials are those of one matching. Most atoms are tried at few places.
type trials struct {
	byAtom []*trial // the latest of each atom
	more   map[node]*trial
	slab   []trial
	want   int // how many are expected that there is no memory for yet
}

// forgetTrials drops all trials, and makes ready for as many as are expected.
func (m *matcher) forgetTrials() {
	clear(m.trials.byAtom)
	m.trials = trials{byAtom: m.trials.byAtom, want: len(m.funcs)}
	m.binds, m.consts = slab[binding]{}, slab[int32]{}
	for i := range m.plans {
		m.binds.want += m.plans[i].values
	}
}

// maxListed is how many trials of an atom are looked through one by one.
const maxListed = 8

// of returns the trial of an atom at an address, nil when there was none.
func (l *trials) of(n node) *trial {
	t := l.byAtom[n.atom]
	for k := 0; t != nil; t, k = t.next, k+1 {
		if t.addr == n.addr {
			return t
		}
		if k == maxListed {
			return l.more[n]
		}
	}
	return nil
}

// add makes a trial.
func (l *trials) add(n node) *trial {
	if len(l.slab) == cap(l.slab) {
		n := min(8+2*cap(l.slab), 128)
		if l.want > 0 {
			n = min(l.want, 128)
		}
		l.want -= n
		l.slab = make([]trial, 0, n)
	}
	l.slab = append(l.slab, trial{node: n, next: l.byAtom[n.atom]})
	t := &l.slab[len(l.slab)-1]
	l.byAtom[n.atom] = t
	if t.next != nil {
		t.count = t.next.count + 1
	}
	if t.count >= maxListed {
		if l.more == nil {
			l.more = make(map[node]*trial)
		}
		for x := t; x != nil && (t.count == maxListed || x == t); x = x.next {
			l.more[x.node] = x
		}
	}
	return t
}

// check is try, and that all constants that the atom leads to are equal too,
// and those that these lead to.
func (m *matcher) check(id object.AtomID, addr uint64) *trial {
	t := m.try(id, addr)
	if t.err != nil || t.alive {
		return t
	}
	// Depth first, without recursion: a hostile object may chain its
	// constants at any length. Every one that can be reached and was not
	// found to differ is alive once the search ends.
	type frame struct {
		t    *trial
		next int
	}
	seen := map[node]bool{t.node: true}
	all := []*trial{t}
	stack := []frame{{t: t}}
	for len(stack) > 0 {
		top := &stack[len(stack)-1]
		if top.next == len(top.t.consts) {
			stack = stack[:len(stack)-1]
			continue
		}
		b := &top.t.binds[top.t.consts[top.next]]
		top.next++
		n := node{object.AtomID(b.key.id), b.value}
		if seen[n] {
			continue
		}
		seen[n] = true
		c := m.try(n.atom, n.addr)
		if c.err != nil {
			for i := len(stack) - 1; i >= 0; i-- {
				up := stack[i].t
				c = m.inherit(up, &up.binds[up.consts[stack[i].next-1]], c)
			}
			return t
		}
		if !c.alive {
			all = append(all, c)
			stack = append(stack, frame{t: c})
		}
	}
	for _, a := range all {
		a.alive = true
	}
	return t
}

// inherit makes up fail because the constant that b leads to has.
func (m *matcher) inherit(up *trial, b *binding, c *trial) *trial {
	e := *c.err
	e.Addr, e.Offset, e.RunOffset = up.addr, b.ref, up.at(int64(b.ref))-up.addr
	if c.err.Addr == c.addr { // the constant itself differs: say which and where
		e.Detail = fmt.Sprintf("%s at %#x differs at +%#x", m.label(c.atom), c.addr, c.err.Offset)
		if c.err.Detail != "" {
			e.Detail += ": " + c.err.Detail
		}
	}
	up.err = &e
	return up
}

// label names an atom in messages.
func (m *matcher) label(id object.AtomID) string {
	a := m.pre.Atom(id)
	if a.Name != "" {
		return a.Name
	}
	return fmt.Sprintf("%v %s+%#x", a.Kind, m.pre.File.Sections[a.Section].Name, a.Offset)
}
