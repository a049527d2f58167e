package hazard

import (
	"strings"

	"github.com/gosplice/gosplice/elfdiff/internal/correlate"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/symname"
)

// A KeptClosure is a closure whose code changed, and whose address others have: what it has captured lives on.
type KeptClosure struct {
	Pre   object.AtomID // the function that changed
	Held  object.AtomID // the function, or the object, whose address is handed on
	Maker object.AtomID // what makes such closures, and changed too; NoAtom where nothing does
}

// Closures lists the closures that others may have kept and that may have captured something else, by their functions in
// changed. What a closure has captured is as it was where all that makes them is as it was, and it does not matter where
// code has no use for it. same tells of an atom of pre whether it did not change.
func Closures(pre, post *object.Object, changed map[object.AtomID]object.AtomID, same func(object.AtomID) bool) (list []KeptClosure) {
	for i := range pre.Atoms {
		a := &pre.Atoms[i]
		twin, ok := changed[a.ID]
		if !ok || a.Kind != object.Func {
			continue
		}
		id, depth := symname.ClosureOf(a.Name)
		if depth == 0 || capturesNothing(a) && capturesNothing(&post.Atoms[twin]) {
			continue
		}
		if k := keptClosure(pre, a.ID, closureKey{id, depth}, same); k.Held != object.NoAtom {
			list = append(list, k)
		}
	}
	return list
}

type closureKey struct {
	id    string
	depth int
}

// isOf reports whether something was made for a closure, by its name: a function of it, or one of a template, or of a
// closure inside of that. Of Rust, those that have no name but for whom they call are.
func (k closureKey) isOf(name string) bool {
	_, depth := symname.ClosureOf(name)
	return depth >= k.depth && (strings.Contains(name, k.id) || symname.IsShim(name))
}

// keptClosure follows those that refer to a function of a closure, through what was made for that closure, to what makes it.
func keptClosure(o *object.Object, f object.AtomID, key closureKey, same func(object.AtomID) bool) KeptClosure {
	k := KeptClosure{Pre: f, Held: object.NoAtom, Maker: object.NoAtom}
	made, met := false, map[object.AtomID]bool{f: true}
	for work := []object.AtomID{f}; len(work) > 0; {
		id := work[len(work)-1]
		work = work[:len(work)-1]
		for _, u := range o.Users(id) {
			b := &o.Atoms[u]
			if correlate.ClassOf(b) == 0 { // tables tell of it
				continue
			}
			if k.Held == object.NoAtom && handsOn(b, id) {
				k.Held = id
			}
			u = b.Root()
			if met[u] {
				continue
			}
			met[u] = true
			if key.isOf(o.Atoms[u].Name) {
				work = append(work, u)
				continue
			}
			made = true
			if k.Maker == object.NoAtom && !same(u) {
				k.Maker = u
			}
		}
	}
	if made && k.Maker == object.NoAtom {
		k.Held = object.NoAtom
	}
	return k
}

// handsOn reports whether an atom has the address of another one, other than to call it.
func handsOn(a *object.Atom, id object.AtomID) bool {
	for i := range a.Refs {
		if r := &a.Refs[i]; r.Target == id && (a.Kind != object.Func || !object.IsCall(a, r)) {
			return true
		}
	}
	return false
}

// capturesNothing reports whether a function makes no use of the object that it is called with, by its first parameter:
// its register is never named, or set first.
func capturesNothing(a *object.Atom) bool {
	const object0, lea, moveFrom, move, moveImm = 7, 0x8d, 0x8b, 0x89, 0xb8
	for at := 0; at < len(a.Bytes); {
		in, err := amd64.Decode(a.Bytes[at:])
		if err != nil {
			return false
		}
		b := a.Bytes[at:]
		r := in.Operands(b)
		names := r.Reg == object0 || r.RM == object0 || r.Memory && (r.Base == object0 || r.Index == object0) || in.ModRMOff == 0 && r.Low == object0 || r.Reg == amd64.NoReg && r.Low == object0
		switch op := b[in.OpOff]; {
		case in.Class == amd64.Ret:
			return true
		case in.Class != amd64.Other && in.Class != amd64.Nop && in.Class != amd64.Endbr:
			return false
		case !names:
		case in.ModRMOff == 0 && op == moveImm+object0:
			return true
		case in.ModRMOff != 0 && (op == lea || op == moveFrom) && r.Reg == object0 && r.RM != object0 && (!r.Memory || r.Base != object0 && r.Index != object0):
			return true
		case op == move && r.RM == object0 && r.Reg != object0:
			return true
		default:
			return false
		}
		at += int(in.Len)
	}
	return false
}
