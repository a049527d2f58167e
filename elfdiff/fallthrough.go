package elfdiff

import (
	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/amd64"
)

// runsOn reports whether the code of a function goes on behind its end: in assembly, a function
// may be the beginning of the one behind it. What ends with a call, or with a trap, is taken to
// end there, as compilers have it where they know that a callee does not return.
func runsOn(o *object.Object, a *object.Atom) bool {
	if a.Kind != object.Func || a.NoBits || a.Opaque {
		return false
	}
	last := amd64.Inst{}
	k := insn.Cursor{Object: o, Atom: a}
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

// behind returns what stands behind a function in its section, NoAtom where nothing does.
func behind(o *object.Object, a *object.Atom) object.AtomID {
	r := o.SectionRange(a.Section)
	for id := a.ID + 1; id < r.Hi; id++ {
		if b := &o.Atoms[id]; b.Offset >= a.End() && b.Size > 0 {
			return id
		}
	}
	return object.NoAtom
}

// intoNext compares what two functions run into that do so, nil when that is the same.
func (j *judge) intoNext(a, b *object.Atom) *verdict.Reason {
	p, q := behind(j.Pre, a), behind(j.Post, b)
	twin := object.NoAtom
	if p != object.NoAtom {
		twin = j.twins.Post[p]
	}
	if twin == q && (p == object.NoAtom) == (q == object.NoAtom) || !runsOn(j.Pre, a) && !runsOn(j.Post, b) {
		return nil
	}
	name := func(o *object.Object, id object.AtomID) string {
		if id == object.NoAtom {
			return "nothing"
		}
		return insn.Describe(o, id, 0)
	}
	return &verdict.Reason{
		Code: verdict.ReasonTarget, PreOffset: a.Size, PostOffset: b.Size,
		PreText: name(j.Pre, p), PostText: name(j.Post, q), Detail: "it runs on into what stands behind it, which is another",
	}
}

// isRunInto reports whether the function in front of one runs on into it.
func isRunInto(o *object.Object, a *object.Atom) bool {
	for id := a.ID - 1; id >= o.SectionRange(a.Section).Lo; id-- {
		if b := &o.Atoms[id]; b.Size > 0 {
			return b.Kind == object.Func && runsOn(o, b)
		}
	}
	return false
}
