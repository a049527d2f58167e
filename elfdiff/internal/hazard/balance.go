package hazard

import (
	"iter"
	"maps"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/object"
)

// A balance says whether a kind of lock or reference is taken, and given back, and which ones by their names,
// as far as the code has them.
type balance struct {
	takes, gives bool
	taken, given int  // how often, of a reference, by the places that do it
	what         What // of a reference, nothing more is asked than that the sides differ
	names        []string
}

// What is taken and given back.
type What uint8

const (
	Reference What = iota
	Counter        // as a reference, which an instruction counts
	Memory         // allocated, and freed
	Lock
	Sleep // until somebody wakes who waits
)

// half says which half there is of two.
func (b balance) half() string {
	switch {
	case b.takes && !b.gives:
		return "takes"
	case b.gives && !b.takes:
		return "gives back"
	}
	return ""
}

func (b balance) and(more balance) balance {
	names := slices.Concat(b.names, more.names)
	slices.Sort(names)
	return balance{b.takes || more.takes, b.gives || more.gives, b.taken + more.taken, b.given + more.given, max(b.what, more.what), slices.Compact(names)}
}

// balances says what functions of an object do, each with those that it calls there.
type balances struct {
	o    *object.Object
	done map[object.AtomID]map[string]balance // by kind
	// direct says what a call of a function of another object does, by the name of that: reference r of a; it may be nil.
	direct func(a *object.Atom, r int, name string) (kind string, b balance)
	// own adds what the instructions of a function do themselves; it may be nil.
	own func(o *object.Object, a *object.Atom, m map[string]balance)
}

func newBalances(o *object.Object, direct func(*object.Atom, int, string) (string, balance)) balances {
	return balances{o: o, done: map[object.AtomID]map[string]balance{}, direct: direct}
}

func (l *balances) of(id object.AtomID) map[string]balance {
	if m, ok := l.done[id]; ok {
		return m // of a call in a circle, what is known so far
	}
	m := map[string]balance{}
	l.done[id] = m
	a := &l.o.Atoms[id]
	if l.own != nil {
		l.own(l.o, a, m)
	}
	for i := range a.Refs {
		r := &a.Refs[i]
		if r.Implicit || !object.IsCall(a, r) {
			continue
		}
		if r.Target == object.NoAtom {
			if l.direct == nil {
				continue
			}
			if kind, b := l.direct(a, i, l.o.Symbol(r.Sym).Name); b.takes || b.gives {
				m[kind] = m[kind].and(b)
			}
			continue
		}
		if t := &l.o.Atoms[r.Target]; t.Kind == object.Func && t.ID != id {
			own := t.Root() == a.Root() // a part of it, to which several branches may lead
			if own && slices.ContainsFunc(a.Refs[:i], func(x object.Ref) bool { return x.Target == r.Target }) {
				continue
			}
			apart := isHanded(l.o, t.ID) // who has its address may call it later
			for kind, b := range l.of(t.ID) {
				if apart {
					b.taken, b.given = 0, 0
				}
				m[kind] = m[kind].and(b)
			}
		}
	}
	return m
}

// isHanded reports whether code of the object has the address of a function.
func isHanded(o *object.Object, id object.AtomID) bool {
	return slices.ContainsFunc(o.Users(id), func(u object.AtomID) bool {
		a := &o.Atoms[u]
		return a.Kind == object.Func && slices.ContainsFunc(a.Refs, func(r object.Ref) bool { return r.Target == id && !r.Implicit && !object.IsCall(a, &r) })
	})
}

// kindsOf lists the kinds of which one of two functions does something.
func kindsOf(a, b map[string]balance) []string {
	kinds := maps.Clone(a)
	maps.Copy(kinds, b)
	return slices.Sorted(maps.Keys(kinds))
}

// instructions visits those of a function. What does not decode ends it.
func instructions(o *object.Object, a *object.Atom) iter.Seq[*insn.Cursor] {
	return func(yield func(*insn.Cursor) bool) {
		k := insn.Cursor{Object: o, Atom: a}
		for {
			if ok, err := k.Load(); !ok || err != nil || !yield(&k) {
				return
			}
			k.Advance()
		}
	}
}
