package hazard

import (
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
)

// A Round is a group of functions that come back to each other, or one that comes back to itself, by direct calls.
type Round struct {
	Functions []object.AtomID
	Frames    int64 // what they take of the stack together, bytes
}

// Rounds lists those that functions are in, or come to by direct calls.
func Rounds(o *object.Object, from []object.AtomID) []*Round {
	r := rounds{o: o, parts: map[object.AtomID][]*object.Atom{}, calls: map[object.AtomID][]edge{}, number: map[object.AtomID]int{}, low: map[object.AtomID]int{}, open: map[object.AtomID]bool{}}
	for _, a := range o.Functions() {
		if root := a.Root(); root != a.ID {
			r.parts[root] = append(r.parts[root], a)
		}
	}
	for _, id := range from {
		if r.number[id] == 0 {
			r.visit(id)
		}
	}
	return r.list
}

// edges lists the calls that a function and its cold parts have.
func (r *rounds) edges(id object.AtomID) (list []edge) {
	a := &r.o.Atoms[id]
	if callsItself(a) {
		list = append(list, edge{id, true})
	}
	for _, a := range append([]*object.Atom{a}, r.parts[id]...) {
		for i := range a.Refs {
			x := &a.Refs[i]
			if t := r.o.Atom(x.Target); t != nil && t.Kind == object.Func && x.TargetOff == 0 && object.IsCall(a, x) {
				list = append(list, edge{t.Root(), !object.IsJump(a, x)})
			}
		}
	}
	return list
}

// callsItself reports whether a function has a call of its entry that the assembler has solved.
func callsItself(a *object.Atom) bool {
	for off := uint64(0); off < uint64(len(a.Bytes)); {
		in, err := amd64.Decode(a.Bytes[off:])
		if err != nil {
			return false
		}
		b := a.Bytes[off : off+uint64(in.Len)]
		if to, ok := in.Target(b, off); ok && to == 0 && in.Class == amd64.Call && len(a.RefsIn(off, off+uint64(in.Len))) == 0 {
			return true
		}
		off += uint64(in.Len)
	}
	return false
}

// edge is a direct call, or a jump to the entry of a function.
type edge struct {
	to   object.AtomID
	call bool
}

// rounds finds the functions that reach each other (R. Tarjan, Depth-first search and linear graph algorithms, 1972).
type rounds struct {
	o           *object.Object
	parts       map[object.AtomID][]*object.Atom // that a function has elsewhere
	calls       map[object.AtomID][]edge         // of those that were visited
	number, low map[object.AtomID]int            // in the order of visits, from 1; the first one that is reached
	stack       []object.AtomID
	open        map[object.AtomID]bool // on it
	list        []*Round
}

func (r *rounds) visit(id object.AtomID) {
	n := len(r.number) + 1
	r.number[id], r.low[id] = n, n
	at := len(r.stack)
	r.stack, r.open[id] = append(r.stack, id), true
	r.calls[id] = r.edges(id)
	for _, e := range r.calls[id] {
		if r.number[e.to] == 0 {
			r.visit(e.to)
			r.low[id] = min(r.low[id], r.low[e.to])
		} else if r.open[e.to] {
			r.low[id] = min(r.low[id], r.number[e.to])
		}
	}
	if r.low[id] == n {
		r.close(append([]object.AtomID{}, r.stack[at:]...))
		r.stack = r.stack[:at]
	}
}

// close notes a group, if there is a call in it: jumps alone take nothing of the stack.
func (r *rounds) close(group []object.AtomID) {
	in, calls, frames := map[object.AtomID]bool{}, false, int64(0)
	for _, id := range group {
		in[id], r.open[id] = true, false
		frames += FrameOf(&r.o.Atoms[id]).Size
	}
	for _, id := range group {
		for _, e := range r.calls[id] {
			calls = calls || e.call && in[e.to]
		}
	}
	if calls {
		r.list = append(r.list, &Round{group, frames})
	}
}
