package reloc

import (
	"fmt"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/reloc/internal/prove"
)

// attempt is a trial that has been made, and what became of it.
type attempt struct {
	prove.Trial
	next  *attempt // of the same atom, made before
	count int32    // of those
	// err is why the atom is not there: that of the trial, or that a constant differs
	// which it leads to.
	err *prove.Difference
	// alive says that all constants that it leads to are known to be equal.
	alive bool
	// committed says that its bindings are among the values.
	committed bool
	// watched says that its function waits for the values it depends on.
	watched bool
}

// attempts are those of one matching. Most atoms are tried at few places.
type attempts struct {
	c      *prove.Comparer
	byAtom []*attempt // the latest of each atom
	more   map[prove.Node]*attempt
	slab   []attempt
	want   int // how many are expected that there is no memory for yet
}

func newAttempts(c *prove.Comparer, want int) *attempts {
	return &attempts{c: c, byAtom: make([]*attempt, len(c.Pre.Atoms)), want: want}
}

// try compares an atom with run at an address, once.
func (l *attempts) try(id object.AtomID, addr uint64) *attempt {
	n := prove.Node{Atom: id, Addr: addr}
	t := l.of(n)
	if t == nil {
		t = l.add(n)
		l.c.Compare(&t.Trial)
		t.err = t.Trial.Err
	}
	return t
}

// maxListed is how many trials of an atom are looked through one by one.
const maxListed = 8

// of returns the trial of an atom at an address, nil when there was none.
func (l *attempts) of(n prove.Node) *attempt {
	t := l.byAtom[n.Atom]
	for k := 0; t != nil; t, k = t.next, k+1 {
		if t.Addr == n.Addr {
			return t
		}
		if k == maxListed {
			return l.more[n]
		}
	}
	return nil
}

// add makes a trial.
func (l *attempts) add(n prove.Node) *attempt {
	if len(l.slab) == cap(l.slab) {
		n := min(8+2*cap(l.slab), 128)
		if l.want > 0 {
			n = min(l.want, 128)
		}
		l.want -= n
		l.slab = make([]attempt, 0, n)
	}
	l.slab = append(l.slab, attempt{Trial: prove.Trial{Node: n}, next: l.byAtom[n.Atom]})
	t := &l.slab[len(l.slab)-1]
	l.byAtom[n.Atom] = t
	if t.next != nil {
		t.count = t.next.count + 1
	}
	if t.count >= maxListed {
		if l.more == nil {
			l.more = make(map[prove.Node]*attempt)
		}
		for x := t; x != nil && (t.count == maxListed || x == t); x = x.next {
			l.more[x.Node] = x
		}
	}
	return t
}

// check is try, and that all constants that the atom leads to are equal too,
// and those that these lead to.
func (l *attempts) check(id object.AtomID, addr uint64) *attempt {
	t := l.try(id, addr)
	if t.err != nil || t.alive {
		return t
	}
	// Depth first, without recursion: a hostile object may chain its
	// constants at any length. Every one that can be reached and was not
	// found to differ is alive once the search ends.
	type frame struct {
		t    *attempt
		next int
	}
	seen := map[prove.Node]bool{t.Node: true}
	all := []*attempt{t}
	stack := []frame{{t: t}}
	for len(stack) > 0 {
		top := &stack[len(stack)-1]
		if top.next == len(top.t.Consts) {
			stack = stack[:len(stack)-1]
			continue
		}
		b := &top.t.Binds[top.t.Consts[top.next]]
		top.next++
		n := prove.Node{Atom: object.AtomID(b.Key.ID), Addr: b.Value}
		if seen[n] {
			continue
		}
		seen[n] = true
		c := l.try(n.Atom, n.Addr)
		if c.err != nil {
			for i := len(stack) - 1; i >= 0; i-- {
				up := stack[i].t
				up.err = inherited(l.c, &up.Trial, &up.Binds[up.Consts[stack[i].next-1]], c.Node, c.err)
				c = up
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

// inherited returns why a trial fails: the constant that b leads to does.
func inherited(c *prove.Comparer, up *prove.Trial, b *prove.Binding, konst prove.Node, why *prove.Difference) *prove.Difference {
	e := *why
	e.Addr, e.Offset, e.RunOffset = up.Addr, b.Ref, up.At(int64(b.Ref))-up.Addr
	if why.Addr == konst.Addr { // the constant itself differs: say which and where
		e.Detail = fmt.Sprintf("%s at %#x differs at +%#x", c.Label(konst.Atom), konst.Addr, why.Offset)
		if why.Detail != "" {
			e.Detail += ": " + why.Detail
		}
	}
	return &e
}

// closure returns what follows from a trial: its bindings, and those of the
// constants it refers to, as far as these are not among the values yet. The
// offsets are all those of the trial's own references.
func (l *attempts) closure(t *attempt) []prove.Binding {
	if len(t.Consts) == 0 {
		return t.Binds
	}
	out := slices.Clone(t.Binds)
	seen := map[prove.Node]bool{t.Node: true}
	type item struct {
		t   *attempt
		ref uint64
	}
	var work []item
	follow := func(from *attempt, ref uint64, own bool) {
		for _, i := range from.Consts {
			b := &from.Binds[i]
			n := prove.Node{Atom: object.AtomID(b.Key.ID), Addr: b.Value}
			if own {
				ref = b.Ref
			}
			if c := l.of(n); c != nil && !seen[n] && !c.committed {
				seen[n] = true
				work = append(work, item{c, ref})
			}
		}
	}
	follow(t, 0, true)
	for len(work) > 0 {
		w := work[len(work)-1]
		work = work[:len(work)-1]
		for _, b := range w.t.Binds {
			b.Ref = w.ref
			out = append(out, b)
		}
		follow(w.t, w.ref, false)
	}
	return out
}
