package prove

import (
	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/reloc/image"
)

// class stands for all references that mean the same, so that what one of them was
// found to mean, and was found to be possible, need not be looked at again. What a
// reference means depends on its class, what its field holds, and the region that
// holds it, of which only the module and whether code is rewritten there matter.
type class struct {
	fast fastCheck
	found
}

// found is what a class was found to mean.
type found struct {
	s      uint64 // what was solved, by the latest that was looked at
	epoch  uint32 // of s; see plans.epoch
	serial uint32 // the comparison that it was met in last
	at     int32  // its first binding in that trial
	from   int32  // its bindings, in plans.classBinds
	room   uint8  // for how many there is room
	n      uint8  // their number, 0 when it is the one that the fast check says
	konst  int8   // which of them is of a constant whose content is a part of the trial, or -1
}

// classKey is what makes a class. Classes of the same target are in a list.
type classKey struct {
	sym    elfobj.SymbolIndex
	target object.AtomID
	off    int64
	expr   amd64.Expr
	flags  uint8
	next   int32
}

// maxClasses bounds the classes that are looked at for one more reference to a
// target. One that is referred to in more ways has classes that are there twice.
const maxClasses = 16

// classify finds the class of a reference, if what it means depends on nothing but
// that.
func (p *planner) classify(x *hole, r *object.Ref, h *amd64.Howto) {
	switch h.Expr {
	case amd64.ExprPC, amd64.ExprPLT:
		if h.Size == 4 {
			x.form = formRel32
		}
	case amd64.ExprAbs:
		switch {
		case h.Size == 4 && h.Overflow == amd64.Signed:
			x.form = formSigned
		case h.Size == 4:
			x.form = formZero
		case h.Size == 8 && !p.m.linked: // else the place tells, too: solveSlotWord
			x.form = formWord
		}
	}
	if x.form == formNone {
		return
	}
	x.adj = -uint64(r.Addend)
	k := classKey{sym: r.Sym, target: r.Target, off: r.TargetOff, expr: h.Expr, flags: x.flags << 4}
	if r.Implicit {
		k.flags |= 1
	}
	if r.Edge {
		k.flags |= 2
	}
	if x.form == formWord {
		k.flags |= 4
	}
	head := &p.bySymbol[r.Sym]
	if r.Target != object.NoAtom {
		head = &p.byAtom[r.Target]
	}
	n := 0
	for i := *head; i != 0 && n < maxClasses; i, n = p.keys[i-1].next, n+1 {
		if k.next = p.keys[i-1].next; p.keys[i-1] == k {
			x.class = i - 1
			return
		}
	}
	k.next = *head
	p.keys = append(p.keys, k)
	p.classes = append(p.classes, class{fast: p.fastCheck(r, h)})
	*head = int32(len(p.keys))
	x.class = *head - 1
}

// newComparison starts one in a region: what classes were found to mean in a
// module does not hold in another.
func (m *Comparer) newComparison(r *image.Region) {
	m.serial++
	m.enterClasses(r.Module, r.Volatile)
}

// enterClasses makes what the classes were found to mean hold for a region.
func (m *Comparer) enterClasses(module int, volatile bool) {
	if module != m.classModule || volatile != m.classVolatile {
		m.classModule, m.classVolatile = module, volatile
		m.epoch++
	}
}

// solveClass solves reference i, unless others of its class were found to mean the
// same.
func (m *Comparer) solveClass(t *Trial, a *object.Atom, h *hole, i int, field []byte, p uint64) *Difference {
	if h.class < 0 || len(field) < int(h.size) {
		return m.solve(t, a, i, field, p)
	}
	s, c := h.value(field, p), &m.classes[h.class]
	switch {
	case c.s != s || c.epoch != m.epoch:
	case c.serial == m.serial:
		m.again(t, c)
		return nil
	default:
		m.take(t, c, a.Refs[i].Offset)
		return nil
	}
	if m.holds(&c.fast, s) {
		c.s, c.epoch, c.n, c.konst = s, m.epoch, 0, -1
		if c.fast.flags&fastConst != 0 {
			c.konst = 0
		}
		m.take(t, c, a.Refs[i].Offset)
		return nil
	}
	nb, nc := len(t.Binds), len(t.Consts)
	if e := m.solve(t, a, i, field, p); e != nil {
		return e
	}
	binds := t.Binds[nb:]
	if len(binds) == 0 && c.fast.kind != fastNone || len(binds) > 8 || len(t.Consts) > nc+1 {
		return nil // none has as many
	}
	from, room := c.from, c.room
	if len(binds) <= int(room) {
		copy(m.classBinds[from:], binds)
	} else {
		from, room = int32(len(m.classBinds)), uint8(len(binds))
		m.classBinds = append(m.classBinds, binds...)
	}
	c.found = found{s: s, epoch: m.epoch, serial: m.serial, at: int32(nb), from: from, room: room, n: uint8(len(binds)), konst: -1}
	if len(t.Consts) > nc {
		c.konst = int8(t.Consts[nc] - int32(nb))
	}
	return nil
}

// take adds what a class means to a trial, by the reference at an offset.
func (m *Comparer) take(t *Trial, c *class, off uint64) {
	c.serial, c.at = m.serial, int32(len(t.Binds))
	if l := &c.fast; c.n == 0 && l.kind != fastNone {
		value := c.s + l.delta + uint64(l.key.Off)
		t.Binds = append(t.Binds, Binding{Key: l.key, Value: value, Ref: off, Soft: l.flags&fastSoft != 0})
	}
	for _, b := range m.classBinds[c.from : c.from+int32(c.n)] {
		b.Ref = off
		t.Binds = append(t.Binds, b)
	}
	if c.konst >= 0 {
		t.Consts = append(t.Consts, c.at+int32(c.konst))
	}
}

// again counts one more reference of a class that a trial has met.
func (m *Comparer) again(t *Trial, c *class) {
	n := int(c.n)
	if n == 0 && c.fast.kind != fastNone {
		n = 1
	}
	for i := range t.Binds[c.at:][:n] {
		t.Binds[int(c.at)+i].More++
	}
}
