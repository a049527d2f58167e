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

// Rounds lists them.
func Rounds(o *object.Object) []*Round {
	r := rounds{o: o, calls: map[object.AtomID][]edge{}, number: map[object.AtomID]int{}, low: map[object.AtomID]int{}, open: map[object.AtomID]bool{}}
	for id, a := range o.Functions() {
		if callsItself(a) {
			r.calls[id] = append(r.calls[id], edge{id, true})
		}
		for i := range a.Refs {
			x := &a.Refs[i]
			if t := o.Atom(x.Target); t != nil && t.Kind == object.Func && x.TargetOff == 0 && object.IsCall(a, x) {
				r.calls[a.Root()] = append(r.calls[a.Root()], edge{t.Root(), a.Bytes[x.Offset-1] == call})
			}
		}
	}
	for id := range o.Functions() {
		if r.number[id] == 0 {
			r.visit(id)
		}
	}
	return r.list
}

const call = 0xe8 // the opcode

// callsItself reports whether a function has a call of its entry that the assembler has solved.
func callsItself(a *object.Atom) bool {
	for off := uint64(0); off < uint64(len(a.Bytes)); {
		in, err := amd64.Decode(a.Bytes[off:])
		if err != nil {
			return false
		}
		b := a.Bytes[off : off+uint64(in.Len)]
		if to, ok := in.Target(b, off); ok && to == 0 && b[in.OpOff] == call && len(a.RefsIn(off, off+uint64(in.Len))) == 0 {
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
	calls       map[object.AtomID][]edge
	number, low map[object.AtomID]int // in the order of visits, from 1; the first one that is reached
	stack       []object.AtomID
	open        map[object.AtomID]bool // on it
	list        []*Round
}

func (r *rounds) visit(id object.AtomID) {
	n := len(r.number) + 1
	r.number[id], r.low[id] = n, n
	at := len(r.stack)
	r.stack, r.open[id] = append(r.stack, id), true
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
