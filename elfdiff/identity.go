package elfdiff

import (
	"github.com/gosplice/gosplice/elfdiff/internal/flow"
	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/object"
)

// identities are the constants of an object whose address is more than a way to their
// content, as far as its own code and data tell: stored, returned, compared, passed to
// what may keep it, or read from where that happens. A copy of such a constant is
// another one; of any other it is as good as the original.
type identities struct {
	o       *object.Object
	exposed []bool
	by      map[object.AtomID]*flow.Escape // why; nil for those that exposed says it of
	done    bool
}

func newIdentities(o *object.Object) *identities { return &identities{o: o, exposed: exposures(o)} }

// of reports whether a constant has an identity, and what in the code gives it one.
func (i *identities) of(id object.AtomID) (*flow.Escape, bool) {
	if i.exposed[id] {
		return nil, true
	}
	if !i.done {
		i.done, i.by = true, i.find()
	}
	e := i.by[id]
	return e, e != nil
}

// hasAddresses reports whether an atom is a constant that is followed: it has an
// identity in the source, or leads to what may have one.
func hasAddresses(a *object.Atom) bool {
	return (a.Kind == object.Const || a.Kind == object.Merge) && !a.Jumps && !a.Aside && (!a.IsLiteral() || len(a.Refs) > 0)
}

// find follows the constants through all functions, and what they lead to.
func (i *identities) find() map[object.AtomID]*flow.Escape {
	t := flow.New(i.o).Trace(&flow.Query{Functions: func(*object.Atom) bool { return true }, Atoms: hasAddresses})
	by := map[object.AtomID]*flow.Escape{}
	var work []object.AtomID
	add := func(id object.AtomID, e *flow.Escape) {
		if e != nil && by[id] == nil {
			by[id] = e
			work = append(work, id)
		}
	}
	for k := range i.o.Atoms { // in order
		id := object.AtomID(k)
		add(id, t.Addr[id].Any())
		i.led(id, func(to object.AtomID) {
			add(to, t.Inner[id].Any())
			if e := t.Deep[id].Any(); e != nil {
				i.led(to, func(next object.AtomID) { add(next, e) })
			}
		})
	}
	for len(work) > 0 {
		id := work[len(work)-1]
		work = work[:len(work)-1]
		i.led(id, func(to object.AtomID) { add(to, by[id]) })
	}
	return by
}

// led yields the constants that an atom leads to.
func (i *identities) led(id object.AtomID, yield func(object.AtomID)) {
	a := &i.o.Atoms[id]
	if !hasAddresses(a) {
		return
	}
	for _, r := range a.Refs {
		if r.Target != object.NoAtom && hasAddresses(&i.o.Atoms[r.Target]) {
			yield(r.Target)
		}
	}
}

// hasIdentity reports whether a pair of constants is one thing to others.
func (s *spread) hasIdentity(pre, post object.AtomID) bool {
	if s.identity[0] == nil {
		s.identity = [2]*identities{newIdentities(s.Pre), newIdentities(s.Post)}
	}
	for side, id := range [2]object.AtomID{pre, post} {
		if id == object.NoAtom {
			continue
		}
		if e, ok := s.identity[side].of(id); ok {
			if e != nil {
				s.shown[post] = describeEscape([2]*object.Object{s.Pre, s.Post}[side], e)
			}
			return true
		}
	}
	return false
}

// describeEscape says what happens to an address, and where.
func describeEscape(o *object.Object, e *flow.Escape) string {
	return "its address " + e.How + ", at " + insn.Describe(o, e.At.Atom, int64(e.At.Off))
}
