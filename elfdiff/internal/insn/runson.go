package insn

import (
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
)

// RunsOn reports whether the code of a function goes on behind its end: in assembly, a function
// may be the beginning of the one behind it. What ends with a call, or with a trap, is taken to
// end there, as compilers have it where they know that a callee does not return.
func RunsOn(o *object.Object, a *object.Atom) bool {
	if a.Kind != object.Func || a.NoBits || a.Opaque {
		return false
	}
	last := amd64.Inst{}
	k := Cursor{Object: o, Atom: a}
	for {
		ok, err := k.Load()
		if err != nil || !ok {
			return err == nil && last.Len > 0 && !ends(last)
		}
		if k.Inst.Class != amd64.Nop {
			last = k.Inst
		}
		k.Advance()
	}
}

// ends reports whether nothing behind an instruction runs after it, if it is the last of a function.
func ends(in amd64.Inst) bool {
	return in.EndsFlow() || in.Class == amd64.Call || in.Class == amd64.CallInd || in.Class == amd64.Trap
}

// IsRunInto reports whether the function in front of one runs on into it.
func IsRunInto(o *object.Object, a *object.Atom) bool {
	for id := a.ID - 1; id >= o.SectionRange(a.Section).Lo; id-- {
		if b := &o.Atoms[id]; b.Size > 0 {
			return b.Kind == object.Func && RunsOn(o, b)
		}
	}
	return false
}
