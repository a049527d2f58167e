package compare

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sort"

	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/amd64"
)

// walk compares two functions instruction by instruction, for those that are
// not equal byte by byte.
type walk struct {
	c          *Comparer
	pre, post  insn.Cursor
	steps      []step  // instructions that correspond
	jumps      []jump  // branches inside the functions
	claims     []claim // immediates that may be line numbers
	incidental []verdict.Reason
}

type step struct{ pre, post uint64 }

// jump is a pair of branches, and where they lead.
type jump struct{ from, to step }

// Function compares two functions; nil means that nothing but incidental
// differences were found, which are returned.
func (c *Comparer) Function(a, b *object.Atom) (change *verdict.Reason, incidental []verdict.Reason) {
	c.Pending = c.Pending[:0]
	if len(a.Bytes) == len(b.Bytes) && c.plain(a, b) {
		return c.CheckPlaces(nil), nil
	}
	c.Pending = c.Pending[:0]
	w := &walk{c: c, pre: insn.Cursor{Object: c.Pre, Atom: a}, post: insn.Cursor{Object: c.Post, Atom: b}}
	change = w.run()
	if r := w.prove(); r != nil {
		return r, nil // it comes before what run found
	}
	if change == nil {
		change = c.CheckPlaces(w)
	}
	return change, w.incidental
}

// prove decides the claims that immediates are line numbers, and returns the
// first that is none.
func (w *walk) prove() *verdict.Reason {
	for i := range w.claims {
		cl := &w.claims[i]
		proof, ok := w.proveLine(cl)
		if !ok {
			return &cl.reason
		}
		cl.reason.Code, cl.reason.Detail = verdict.ReasonLine, proof
		w.incidental = append(w.incidental, cl.reason)
	}
	return nil
}

// plain compares byte by byte.
func (c *Comparer) plain(a, b *object.Atom) bool {
	if len(a.Refs) != len(b.Refs) || !SameOutside(a.Bytes, b.Bytes, a.Refs) {
		return false
	}
	for i := range a.Refs {
		x, y := &a.Refs[i], &b.Refs[i]
		if x.Offset != y.Offset || amd64.FieldSize(x.Type) != amd64.FieldSize(y.Type) || c.Refs(x, y) != "" {
			return false
		}
	}
	return true
}

// CheckPlaces checks the claims about places inside functions: inside this one by
// the steps of the walk, inside others by those of theirs.
func (c *Comparer) CheckPlaces(w *walk) *verdict.Reason {
	for _, p := range c.Pending {
		same := false
		if w != nil && p.Pre == w.pre.Atom.ID {
			same = w.maps(uint64(p.PreOff), uint64(p.PostOff))
		} else {
			same = c.Corresponds(&p)
		}
		if !same {
			return &verdict.Reason{
				Code: verdict.ReasonTarget, PreOffset: uint64(p.PreOff), PostOffset: uint64(p.PostOff),
				PreText: insn.Describe(c.Pre, p.Pre, p.PreOff), PostText: insn.Describe(c.Post, p.Post, p.PostOff),
				Detail: "a jump table or a label leads to another place",
			}
		}
	}
	return nil
}

// run walks both functions to their ends.
func (w *walk) run() *verdict.Reason {
	for {
		if r := w.padding(); r != nil {
			return r
		}
		w.steps = append(w.steps, step{w.pre.Off, w.post.Off})
		if w.pre.Inst.Len == 0 || w.post.Inst.Len == 0 {
			break
		}
		if r := w.instruction(); r != nil {
			return r
		}
		w.pre.Advance()
		w.post.Advance()
	}
	if w.pre.Inst.Len != w.post.Inst.Len {
		return w.reason(verdict.ReasonLength, "")
	}
	for _, j := range w.jumps {
		if !w.maps(j.to.pre, j.to.post) {
			return w.reasonAt(j.from, verdict.ReasonTarget, "they lead to other places")
		}
		if len(w.incidental) == 0 && !w.starts(j.to.pre, j.to.post) {
			w.note(func() verdict.Reason {
				return *w.reasonAt(j.from, verdict.ReasonNops, "they lead to nops at other places")
			})
		}
	}
	return nil
}

// padding moves both cursors over nops, and notes when they differ.
func (w *walk) padding() *verdict.Reason {
	p, q := w.pre.Off, w.post.Off
	if _, err := w.pre.SkipNops(); err != nil {
		return w.reason(verdict.ReasonInstruction, err.Error())
	}
	if _, err := w.post.SkipNops(); err != nil {
		return w.reason(verdict.ReasonInstruction, err.Error())
	}
	if x, y := w.pre.Atom.Bytes[p:w.pre.Off], w.post.Atom.Bytes[q:w.post.Off]; !bytes.Equal(x, y) {
		w.note(func() verdict.Reason { return nopsReason(p, q, x, y) })
	}
	if w.pre.Off > p {
		w.steps = append(w.steps, step{p, q})
	}
	return nil
}

func nopsReason(p, q uint64, x, y []byte) verdict.Reason {
	r := verdict.Reason{Code: verdict.ReasonPadding, PreOffset: p, PostOffset: q, PreText: fmt.Sprintf("%d bytes of nops", len(x)), PostText: fmt.Sprintf("%d", len(y))}
	if len(x) == len(y) {
		r.Code, r.PreText, r.PostText = verdict.ReasonNops, PlainBytes(x), PlainBytes(y)
	}
	return r
}

// MaxIncidental bounds what is noted about one function.
const MaxIncidental = 1 << 10

// note keeps an incidental difference.
func (w *walk) note(r func() verdict.Reason) {
	if len(w.incidental) < MaxIncidental {
		w.incidental = append(w.incidental, r())
	}
}

// maps reports whether two offsets correspond: they are the starts of
// instructions that were compared with each other. A branch to padding is as
// good as one behind it.
func (w *walk) maps(pre, post uint64) bool {
	if w.starts(pre, post) {
		return true
	}
	p, ok1 := w.behind(&w.pre, pre)
	q, ok2 := w.behind(&w.post, post)
	if !ok1 || !ok2 || p == pre && q == post {
		return false
	}
	return w.starts(p, q)
}

// starts reports whether two offsets are those of one step.
func (w *walk) starts(pre, post uint64) bool {
	i := sort.Search(len(w.steps), func(i int) bool { return w.steps[i].pre >= pre })
	for ; i < len(w.steps) && w.steps[i].pre == pre; i++ {
		if w.steps[i].post == post {
			return true
		}
	}
	return false
}

// maxNops bounds the padding that a branch may lead to.
const maxNops = 64

// behind returns the first place at or behind off that is no padding.
func (w *walk) behind(k *insn.Cursor, off uint64) (uint64, bool) {
	c := insn.Cursor{Object: k.Object, Atom: k.Atom, Off: off}
	for range maxNops {
		ok, err := c.Load()
		if err != nil {
			return c.Off, false
		}
		if !ok || c.Inst.Class != amd64.Nop || len(c.Refs) > 0 {
			break
		}
		c.Advance()
	}
	return c.Off, true
}

func (w *walk) reason(code verdict.ReasonCode, detail string) *verdict.Reason {
	return w.reasonAt(step{w.pre.Off, w.post.Off}, code, detail)
}

// reasonAt shows the instructions that stand at a pair of places.
func (w *walk) reasonAt(at step, code verdict.ReasonCode, detail string) *verdict.Reason {
	return &verdict.Reason{
		Code: code, PreOffset: at.pre, PostOffset: at.post,
		PreText: w.pre.TextAt(at.pre), PostText: w.post.TextAt(at.post), Detail: detail,
	}
}

// instruction compares the instructions at the cursors.
func (w *walk) instruction() *verdict.Reason {
	p, q := &w.pre, &w.post
	if p.Inst.Class != q.Inst.Class || p.Inst.Cond != q.Inst.Cond || p.Inst.IsBranch() != q.Inst.IsBranch() {
		return w.reason(verdict.ReasonInstruction, "")
	}
	if p.Inst.IsBranch() {
		return w.branch()
	}
	if p.Inst.Len != q.Inst.Len || p.Inst != q.Inst || len(p.Refs) != len(q.Refs) {
		return w.reason(verdict.ReasonInstruction, "")
	}
	if r := w.references(); r != nil {
		return r
	}
	hole := [amd64.MaxLen]bool{}
	for i := range p.Refs {
		off := p.Refs[i].Offset - p.Off
		for n := 0; n < amd64.FieldSize(p.Refs[i].Type) && off+uint64(n) < uint64(len(hole)); n++ {
			hole[off+uint64(n)] = true
		}
	}
	if p.Inst.PCRelLen > 0 && len(p.Refs) == 0 || p.Inst.PCRelLen > 0 && !hole[p.Inst.PCRelOff] {
		w.inner() // an operand inside the function, at a distance that padding may change
		for n := range p.Inst.PCRelLen {
			hole[p.Inst.PCRelOff+n] = true
		}
	}
	x, y := p.Bytes(), q.Bytes()
	for i := range x {
		if x[i] != y[i] && !hole[i] {
			return w.immediate(hole)
		}
	}
	return nil
}

// references compares the relocations of two instructions of one shape.
func (w *walk) references() *verdict.Reason {
	for i := range w.pre.Refs {
		x, y := &w.pre.Refs[i], &w.post.Refs[i]
		if x.Offset-w.pre.Off != y.Offset-w.post.Off {
			return w.reason(verdict.ReasonReference, "")
		}
		code := w.c.Refs(x, y)
		if code == "" {
			continue
		}
		if p, q, place, ok := w.c.lineInText(x, y); ok && code == verdict.ReasonString {
			w.claims = append(w.claims, claim{step{w.pre.Off, w.post.Off}, p, q, true, place, *w.reason(code, "")})
			continue
		}
		return w.reason(code, "")
	}
	return nil
}

// branch compares two direct branches of one class and condition: their
// targets have to correspond, whatever their width is.
func (w *walk) branch() *verdict.Reason {
	p, q := &w.pre, &w.post
	if len(p.Refs) != len(q.Refs) {
		return w.reason(verdict.ReasonTarget, "")
	}
	if !bytes.Equal(p.Prefixes(), q.Prefixes()) { // also those without a meaning
		return w.reason(verdict.ReasonInstruction, "")
	}
	if len(p.Refs) == 0 {
		w.inner()
	} else {
		x, y := p.Refs[0], q.Refs[0]
		if x.Implicit || y.Implicit {
			// the width of the field is not the meaning, nor who filled it in
			x.Type, y.Type = branchType(&x), branchType(&y)
		}
		if code := w.c.Refs(&x, &y); code != "" {
			return w.reason(code, "")
		}
	}
	if p.Inst.Len != q.Inst.Len {
		w.note(func() verdict.Reason { return *w.reason(verdict.ReasonJump, "") })
	}
	return nil
}

// branchType is the type of a reference without what the assembler chose when
// both ends were in one section.
func branchType(r *object.Ref) uint32 {
	if r.Implicit {
		return amd64.PC32
	}
	return r.Type
}

// inner notes the places that two PC-relative fields without a relocation lead
// to, to be checked at the end.
func (w *walk) inner() {
	t, _ := amd64.PCRelTarget(w.pre.Inst, w.pre.Bytes(), w.pre.Off)
	u, _ := amd64.PCRelTarget(w.post.Inst, w.post.Bytes(), w.post.Off)
	w.jumps = append(w.jumps, jump{step{w.pre.Off, w.post.Off}, step{t, u}})
}

// immediate decides about two instructions that differ in their bytes: when
// that is only an immediate, it may be a line number.
func (w *walk) immediate(hole [amd64.MaxLen]bool) *verdict.Reason {
	p, q := &w.pre, &w.post
	x, y := p.Bytes(), q.Bytes()
	for i := range x {
		inImm := i >= int(p.Inst.ImmOff) && i < int(p.Inst.ImmOff+p.Inst.ImmLen)
		if x[i] != y[i] && !hole[i] && !inImm {
			return w.reason(verdict.ReasonInstruction, "")
		}
	}
	a, b := immediateOf(p.Inst, x), immediateOf(q.Inst, y)
	w.claims = append(w.claims, claim{step{p.Off, q.Off}, a, b, false, false, *w.reason(verdict.ReasonInstruction, "")})
	return nil
}

// immediateOf reads the immediate field, zero-extended.
func immediateOf(in amd64.Inst, b []byte) uint64 {
	var v [8]byte
	copy(v[:], b[in.ImmOff:in.ImmOff+in.ImmLen])
	return binary.LittleEndian.Uint64(v[:])
}
