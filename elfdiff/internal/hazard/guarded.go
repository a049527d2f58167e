package hazard

import (
	"fmt"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
)

// The functions by which code of C++ sets a static variable up once (Itanium C++ ABI, section 3.3.3).
const (
	guardAcquire = "__cxa_guard_acquire"
	guardRelease = "__cxa_guard_release"
)

// A Once is code that sets a static variable up, and that does not run again.
type Once struct {
	Guard object.AtomID
	At    uint64 // of the call that begins it, in the function
	means []string
}

// OnceOf lists the code of a function that runs once, by its guards; not where it can't be followed.
func OnceOf(o *object.Object, id object.AtomID) (list []Once) {
	a := &o.Atoms[id]
	guard := object.NoAtom
	for at := uint64(0); at < uint64(len(a.Bytes)); {
		in, err := amd64.Decode(a.Bytes[at:])
		if err != nil {
			return list
		}
		refs := a.RefsIn(at, at+uint64(in.Len))
		for i := range refs {
			if t := refs[i].Target; t != object.NoAtom && isGuard(&o.Atoms[t]) {
				guard = t
			}
		}
		if guard != object.NoAtom && calls(o, a, refs) == guardAcquire {
			if means, ok := setUp(o, a, at+uint64(in.Len)); ok {
				list = append(list, Once{guard, at, means})
			}
		}
		at += uint64(in.Len)
	}
	return list
}

// setUp follows the code behind the call that asks whether it is to run, to the one that says that it has. The first
// branch is by the answer. It is false where that code leads elsewhere.
func setUp(o *object.Object, a *object.Atom, at uint64) (means []string, ok bool) {
	met, asked := map[uint64]bool{}, false
	for at < uint64(len(a.Bytes)) && !met[at] {
		met[at] = true
		in, err := amd64.Decode(a.Bytes[at:])
		if err != nil {
			return nil, false
		}
		next := at + uint64(in.Len)
		refs := a.RefsIn(at, next)
		to, known := in.Target(a.Bytes[at:], at)
		leaves := !known || len(refs) > 0
		switch {
		case calls(o, a, refs) == guardRelease:
			return means, asked
		case in.Class == amd64.Jcc && !asked:
			if asked = true; in.Cond == amd64.CondNotZero {
				next = to
			}
			if in.Cond != amd64.CondZero && (in.Cond != amd64.CondNotZero || leaves) {
				return nil, false
			}
		case in.Class == amd64.Jump && !leaves:
			next = to
		case in.Class == amd64.Jump, in.Class == amd64.JumpInd, in.Class == amd64.Ret:
			return nil, false
		case asked:
			means = append(means, meanings(o, a, at, &in, refs)...)
		}
		at = next
	}
	return nil, false
}

// calls returns the name of what an instruction with these references calls; "" for what the object defines.
func calls(o *object.Object, a *object.Atom, refs []object.Ref) string {
	for i := range refs {
		if r := &refs[i]; r.Target == object.NoAtom && !r.Implicit && isCallOf(a, r) {
			return o.Symbol(r.Sym).Name
		}
	}
	return ""
}

func isGuard(a *object.Atom) bool {
	return a.Kind == object.Data && len(a.Name) > len("_ZGV") && a.Name[:len("_ZGV")] == "_ZGV"
}

// meanings are the constants of an instruction, and what it refers to; not where it keeps values.
func meanings(o *object.Object, a *object.Atom, at uint64, in *amd64.Inst, refs []object.Ref) (list []string) {
	for i := range refs {
		if t := refs[i].Target; t == object.NoAtom || !isGuard(&o.Atoms[t]) {
			list = append(list, insn.RefText(o, &refs[i]))
		}
	}
	if in.ImmLen > 0 && len(refs) == 0 {
		from := at + uint64(in.ImmOff)
		list = append(list, fmt.Sprintf("%x", a.Bytes[from:from+uint64(in.ImmLen)]))
	}
	return list
}

// Alike reports whether both do the same, as far as constants and references tell.
func (x *Once) Alike(y *Once) bool {
	p, q := slices.Sorted(slices.Values(x.means)), slices.Sorted(slices.Values(y.means))
	return slices.Equal(p, q)
}
