package elfdiff

import (
	"cmp"
	"slices"
	"sort"

	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
)

// corresponds reports whether two places inside a pair of functions are the same one:
// at the same offset where the code is the same byte by byte, else by the instructions
// that were compared with each other. Padding in a loop, and the width of a jump, move
// what is behind them.
func (c *comparer) corresponds(p *interior) bool {
	w := c.layout(p.pre, p.post)
	if w == nil || p.preOff < 0 || p.postOff < 0 || !w.shifts() {
		return p.preOff == p.postOff
	}
	return w.maps(uint64(p.preOff), uint64(p.postOff))
}

// shifts reports whether anything moves what is behind it.
func (w *walk) shifts() bool {
	return slices.ContainsFunc(w.incidental, func(r verdict.Reason) bool { return r.Code == verdict.ReasonPadding || r.Code == verdict.ReasonJump })
}

// layout returns the walk over two functions that are the same but not byte by byte,
// or nil. It is made when it is asked for first.
func (c *comparer) layout(pre, post object.AtomID) *walk {
	w, ok := c.layouts[pre]
	if !ok {
		w = c.walkOf(&c.pre.Atoms[pre], &c.post.Atoms[post])
		c.layouts[pre] = w
	}
	return w
}

func (c *comparer) walkOf(a, b *object.Atom) *walk {
	if a.Kind != object.Func || b.Kind != object.Func || len(a.Bytes) == len(b.Bytes) && sameOutside(a.Bytes, b.Bytes, a.Refs) {
		return nil
	}
	n := len(c.pending)
	w := &walk{c: c, pre: insn.Cursor{Object: c.pre, Atom: a}, post: insn.Cursor{Object: c.post, Atom: b}}
	differs := w.run() != nil
	c.pending = c.pending[:n] // another function's claims are that one's affair
	if differs {
		return nil
	}
	return w
}

// inside is corresponds for places behind the start of an instruction.
func (c *comparer) inside(p *interior) bool {
	w := c.layout(p.pre, p.post)
	if w == nil {
		return p.preOff == p.postOff
	}
	i := sort.Search(len(w.steps), func(i int) bool { return int64(w.steps[i].pre) > p.preOff }) - 1
	return i >= 0 && p.preOff-int64(w.steps[i].pre) == p.postOff-int64(w.steps[i].post)
}

// between reports whether two places are in padding, or inside instructions: no
// instruction that was compared begins there.
func (c *comparer) between(p *interior) bool {
	w := c.layout(p.pre, p.post)
	if w == nil || !w.shifts() {
		return false
	}
	_, pre := slices.BinarySearchFunc(w.steps, p.preOff, func(s step, off int64) int { return cmp.Compare(int64(s.pre), off) })
	_, post := slices.BinarySearchFunc(w.steps, p.postOff, func(s step, off int64) int { return cmp.Compare(int64(s.post), off) })
	return !pre && !post
}
