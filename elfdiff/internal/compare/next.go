package compare

import (
	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
)

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

// Next compares what two functions run into that do so (see [insn.RunsOn]), nil when that is the same.
func (c *Comparer) Next(a, b *object.Atom) *verdict.Reason {
	p, q := behind(c.Pre, a), behind(c.Post, b)
	twin := object.NoAtom
	if p != object.NoAtom {
		twin = c.Twins.Post[p]
	}
	if twin == q && (p == object.NoAtom) == (q == object.NoAtom) || !insn.RunsOn(c.Pre, a) && !insn.RunsOn(c.Post, b) {
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
		PreText: name(c.Pre, p), PostText: name(c.Post, q), Detail: "it runs on into what stands behind it, which is another",
	}
}
