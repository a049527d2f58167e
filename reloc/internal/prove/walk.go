package prove

import (
	"bytes"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/reloc/internal/rewrite"
)

// A walker compares a function instruction by instruction, with i in pre and j
// in run. Rules (rules.go) say where the two may differ; it keeps track of
// which offset in pre is which in run, and in the end checks that all branches
// inside the function lead to corresponding places.
type walker struct {
	m        *Comparer
	t        *Trial
	a        *object.Atom
	pre, run []byte
	i, j     int
	sites    []Site      // those at or behind i
	ref      int         // index of the first reference at or behind i
	pos      []int32     // by offset in pre: offset in run of the instruction there; -1 within instructions
	slack    map[int]int // by offset in pre: bytes of padding that run alone has in front of that
	branches []branch
	tolerated
}

// tolerated is where something of different length was passed over last, and
// where that led to. When nothing matches there, it should not have been.
type tolerated struct{ fromI, fromJ, toI, toJ int }

// branch is a branch inside the function.
type branch struct {
	at, runAt int // of the instruction
	to, runTo int // of its target
}

// walk compares a function whose bytes are not all equal.
func (m *Comparer) walk(t *Trial, a *object.Atom) *Difference {
	run, err := m.View.UpTo(t.Addr, 2*a.Size+64)
	if err != nil {
		e := t.Fail(ReasonUnreadable, 0, 0, "")
		e.Err = err
		return e
	}
	w := &walker{m: m, t: t, a: a, pre: a.Bytes, run: run, pos: make([]int32, len(a.Bytes)+1), sites: m.sitesOf(a.ID)}
	for i := range w.pos {
		w.pos[i] = -1
	}
	for w.i < len(w.pre) {
		if e := w.step(); e != nil {
			return e
		}
	}
	w.pos[w.i] = int32(w.j)
	t.Size = uint64(w.j)
	t.Shifts = w.shifts()
	if e := w.checkBranches(); e != nil {
		return e
	}
	if e := m.goesOn(t, a); e != nil {
		return e
	}
	return m.compareTables(t, a)
}

// step compares one instruction, or what a rule takes for one.
func (w *walker) step() *Difference {
	w.pos[w.i] = int32(w.j)
	if done, e := w.site(); done {
		return e
	}
	pin, err := amd64.Decode(w.pre[w.i:])
	if err != nil {
		return w.stepByte()
	}
	rin, err := amd64.Decode(w.run[w.j:])
	if err != nil {
		rin = amd64.Inst{}
	}
	if done, e := w.same(pin, rin); done {
		return e
	}
	if done, e := w.constant(pin, rin); done {
		return e
	}
	for k := range rules {
		n, o, ok := rules[k].try(w, pin, rin)
		if !ok {
			continue
		}
		if e := w.fault(); e != nil {
			return e
		}
		w.i += n
		w.j += o
		return nil
	}
	return w.mismatch(pin, rin)
}

// site compares the sites that start here. done is false when there are none, or
// when they hold nothing that is legal, which the instructions will tell.
func (w *walker) site() (done bool, e *Difference) {
	for len(w.sites) > 0 && w.sites[0].Off < uint64(w.i) {
		w.sites = w.sites[1:]
	}
	if len(w.sites) == 0 || w.sites[0].Off != uint64(w.i) {
		return false, nil
	}
	end, n := cluster(w.sites)
	x, run, p := &w.m.cluster, w.run[w.j:], w.t.Addr+uint64(w.j)
	size := int(end) - w.i
	switch s := &w.sites[0]; {
	case w.m.matchSites(x, w.t, w.a, w.sites[:n], end, run, p):
	case n == 1 && s.Row.wide != nil:
		x.effects, x.patches = x.effects[:0], x.patches[:0]
		var ok bool
		if size, ok = s.Row.wide(x, s, run, p); !ok {
			return false, nil
		}
	default:
		return false, nil
	}
	if e := x.applyEffects(w); e != nil {
		return true, e
	}
	w.skipRefs(int(end) - w.i)
	w.i, w.j, w.sites = int(end), w.j+size, w.sites[n:]
	return true, nil
}

// constant compares an instruction whose operand is a site, as those of runtime
// constants are. done is false when it has none, or nothing legal.
func (w *walker) constant(pin, rin amd64.Inst) (done bool, e *Difference) {
	n := int(pin.Len)
	if len(w.sites) == 0 || w.sites[0].End() > uint64(w.i+n) || int(rin.Len) != n || len(w.refs(n)) > 0 {
		return false, nil
	}
	s := &w.sites[0]
	lo, hi := int(s.Off)-w.i, int(s.End())-w.i
	if lo <= 0 || len(w.sites) > 1 && w.sites[1].Off < s.End() {
		return false, nil
	}
	pre, run := w.pre[w.i:w.i+n], w.run[w.j:w.j+n]
	x := &w.m.cluster
	if !bytes.Equal(pre[:lo], run[:lo]) || !bytes.Equal(pre[hi:], run[hi:]) ||
		!w.m.matchSites(x, w.t, w.a, w.sites[:1], s.End(), run[lo:], w.t.Addr+uint64(w.j+lo)) {
		return false, nil
	}
	e = x.applyEffects(w)
	w.i, w.j = w.i+n, w.j+n
	return true, e
}

// stepByte compares one byte of what is no code: data between instructions.
func (w *walker) stepByte() *Difference {
	n := 1
	if refs := w.refs(1); len(refs) > 0 {
		n = int(FieldSize(&refs[0]))
		if w.j+n > len(w.run) {
			return w.mismatch(amd64.Inst{}, amd64.Inst{})
		}
		if e := w.solve(w.ref, w.j); e != nil {
			return e
		}
		w.ref++
		n = max(n, 1)
	} else if w.j >= len(w.run) || w.pre[w.i] != w.run[w.j] {
		return w.mismatch(amd64.Inst{}, amd64.Inst{})
	}
	w.i, w.j = w.i+n, w.j+n
	return nil
}

// same handles two instructions that are equal but for their holes. done is
// false when they are not.
func (w *walker) same(pin, rin amd64.Inst) (done bool, e *Difference) {
	n := int(pin.Len)
	if pin != rin {
		return false, nil
	}
	p, r := w.pre[w.i:w.i+n], w.run[w.j:w.j+n]
	refs := w.refs(n)
	from := 0
	inner := false // a branch or operand inside the function, without relocation
	for k := range refs {
		off := int(refs[k].Offset) - w.i
		if off < from || !bytes.Equal(p[from:off], r[from:off]) {
			return false, nil
		}
		from = min(off+int(FieldSize(&refs[k])), n)
	}
	if f := int(pin.PCRelOff); pin.PCRelLen > 0 && from <= f {
		if !bytes.Equal(p[from:f], r[from:f]) {
			return false, nil
		}
		from, inner = f+int(pin.PCRelLen), true
	}
	if !bytes.Equal(p[from:], r[from:]) {
		return false, nil
	}
	for k := range refs {
		if e := w.solve(w.ref+k, w.j+int(refs[k].Offset)-w.i); e != nil {
			return true, e
		}
	}
	if inner {
		w.branch(pin, rin)
	}
	w.ref += len(refs)
	w.i, w.j = w.i+n, w.j+n
	return true, nil
}

// refs returns the references in the next n bytes of pre.
func (w *walker) refs(n int) []object.Ref {
	end := w.ref
	for end < len(w.a.Refs) && w.a.Refs[end].Offset < uint64(w.i+n) {
		end++
	}
	return w.a.Refs[w.ref:end]
}

// skipRefs passes over the references in the next n bytes of pre, when run has
// no field in their place.
func (w *walker) skipRefs(n int) { w.ref += len(w.refs(n)) }

// solve solves reference k, whose field is at offset j of run.
func (w *walker) solve(k, j int) *Difference {
	return w.m.solve(w.t, w.a, k, w.run[j:], w.t.Addr+uint64(j))
}

// branch notes a branch, or an operand, that leads to a place in the function.
func (w *walker) branch(pin, rin amd64.Inst) {
	w.branches = append(w.branches, branch{
		at: w.i, runAt: w.j,
		to: Relative(pin, w.pre, w.i), runTo: w.uncounted(rin, Relative(rin, w.run, w.j)),
	})
}

// uncounted takes back what call depth tracking does to a call of the function
// itself; see matcher.uncount.
func (w *walker) uncounted(rin amd64.Inst, to int) int {
	if rin.Class != amd64.Call || !w.m.rewritten(w.t.Addr) {
		return to
	}
	if b, err := w.m.View.Bytes(w.t.Addr+uint64(to), rewrite.DepthCount); err == nil && rewrite.IsDepthCount(b) {
		to += rewrite.DepthCount
	}
	return to
}

// Relative returns where the PC-relative field of the instruction at off leads,
// as an offset.
func Relative(in amd64.Inst, code []byte, off int) int {
	return int(in.PCRel(code[off:], uint64(off)))
}

// fault is an error that a rule came across when it had matched the bytes.
func (w *walker) fault() *Difference { return w.t.Err }

// shifts returns the places from which run is further behind, or ahead.
func (w *walker) shifts() []shift {
	var out []shift
	delta := 0
	for i, j := range w.pos {
		if j >= 0 && int(j)-i != delta {
			delta = int(j) - i
			out = append(out, shift{uint64(i), uint64(j)})
		}
	}
	return out
}

// checkBranches checks that all branches lead to corresponding places.
func (w *walker) checkBranches() *Difference {
	for _, b := range w.branches {
		if w.corresponds(b) {
			continue
		}
		e := w.t.Fail(ReasonBranch, uint64(b.at), uint64(b.runAt), "leads to +%#x, which is no counterpart of +%#x", b.runTo, b.to)
		e.Target = w.t.Addr + uint64(b.runTo)
		return w.quote(e, b.at, b.runAt)
	}
	return nil
}

func (w *walker) corresponds(b branch) bool {
	if b.to < 0 || b.to >= len(w.pos) {
		return b.to-b.at == b.runTo-b.runAt // out of the function: not ours to judge
	}
	start := b.to
	for start > 0 && w.pos[start] < 0 {
		start--
	}
	want := int(w.pos[start]) + b.to - start
	return b.runTo == want || start == b.to && b.runTo < want && b.runTo >= want-w.slack[b.to]
}
