package compare

import (
	"cmp"
	"slices"
	"sort"

	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
)

// Corresponds reports whether two places inside a pair of functions are the same one:
// at the same offset where the code is the same byte by byte, else by the instructions
// that were compared with each other. Padding in a loop, and the width of a jump, move
// what is behind them.
func (c *Comparer) Corresponds(p *Interior) bool {
	w := c.layout(p.Pre, p.Post)
	if w == nil || p.PreOff < 0 || p.PostOff < 0 || !w.shifts() {
		return p.PreOff == p.PostOff
	}
	return w.maps(uint64(p.PreOff), uint64(p.PostOff))
}

// shifts reports whether anything moves what is behind it.
func (w *walk) shifts() bool {
	return slices.ContainsFunc(w.incidental, func(r verdict.Reason) bool { return r.Code == verdict.ReasonPadding || r.Code == verdict.ReasonJump })
}

// layout returns the walk over two functions that are the same but not byte by byte,
// or nil. It is made when it is asked for first.
func (c *Comparer) layout(pre, post object.AtomID) *walk {
	w, ok := c.layouts[pre]
	if !ok {
		w = c.walkOf(&c.Pre.Atoms[pre], &c.Post.Atoms[post])
		c.layouts[pre] = w
	}
	return w
}

func (c *Comparer) walkOf(a, b *object.Atom) *walk {
	if a.Kind != object.Func || b.Kind != object.Func || len(a.Bytes) == len(b.Bytes) && SameOutside(a.Bytes, b.Bytes, a.Refs) {
		return nil
	}
	n := len(c.Pending)
	w := &walk{c: c, pre: insn.Cursor{Object: c.Pre, Atom: a}, post: insn.Cursor{Object: c.Post, Atom: b}}
	differs := w.run() != nil
	c.Pending = c.Pending[:n] // another function's claims are that one's affair
	if differs {
		return nil
	}
	return w
}

// Inside is corresponds for places behind the start of an instruction.
func (c *Comparer) Inside(p *Interior) bool {
	w := c.layout(p.Pre, p.Post)
	if w == nil {
		return p.PreOff == p.PostOff
	}
	i := sort.Search(len(w.steps), func(i int) bool { return int64(w.steps[i].pre) > p.PreOff }) - 1
	return i >= 0 && p.PreOff-int64(w.steps[i].pre) == p.PostOff-int64(w.steps[i].post)
}

// Between reports whether two places are in padding, or inside instructions: no
// instruction that was compared begins there.
func (c *Comparer) Between(p *Interior) bool {
	w := c.layout(p.Pre, p.Post)
	if w == nil || !w.shifts() {
		return false
	}
	_, pre := slices.BinarySearchFunc(w.steps, p.PreOff, func(s step, off int64) int { return cmp.Compare(int64(s.pre), off) })
	_, post := slices.BinarySearchFunc(w.steps, p.PostOff, func(s step, off int64) int { return cmp.Compare(int64(s.post), off) })
	return !pre && !post
}
