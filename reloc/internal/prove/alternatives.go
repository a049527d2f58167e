package prove

import (
	"bytes"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/reloc/internal/rewrite"
)

// replaced reports whether run holds the replacement of an alternative, as the
// kernel copies it: what is relative is counted from its new place, jumps may
// become short, and the rest is filled with nops of any length
// (apply_alternatives of arch/x86/kernel/alternative.c, Linux 6.1 and 6.12).
func (x *siteMatch) replaced(s *Site, run []byte, p uint64) bool {
	if s.auxSize > s.Size {
		return false
	}
	var code []byte
	var refs []object.Ref
	if s.auxSize > 0 {
		g := x.m.Pre.Atom(s.aux)
		lo, hi := uint64(s.auxOff), uint64(s.auxOff)+s.auxSize
		if g == nil || s.auxOff < 0 || hi > uint64(len(g.Bytes)) || hi < lo {
			return false
		}
		code, refs = g.Bytes[lo:hi], g.RefsIn(lo, hi)
	}
	if s.flags&rewrite.AltDirectCall != 0 && len(code) == 5 && code[0] == 0xe8 {
		return paravirt(x, s, run, p)
	}
	for i := 0; i < len(code); {
		rest := code[i:]
		own := refsWithin(&refs, uint64(s.auxOff)+uint64(i), 0)
		if n := amd64.ToolNops(rest); n > 0 && len(own) == 0 && len(refsWithin(&refs, uint64(s.auxOff)+uint64(i), n)) == 0 {
			if i+n == len(code) {
				return rewrite.IsFilling(run[i:], len(run)-i)
			}
			if !rewrite.IsFilling(run[i:], n) {
				return false
			}
			i += n
			continue
		}
		n := 1
		if in, err := amd64.Decode(rest); err == nil {
			n = int(in.Len)
		}
		n = min(n, len(rest))
		if !x.copied(s, rest[:n], refsWithin(&refs, uint64(s.auxOff)+uint64(i), n), uint64(s.auxOff)+uint64(i), run[i:i+n], p+uint64(i)) {
			return false
		}
		i += n
	}
	return rewrite.IsFilling(run[len(code):], len(run)-len(code))
}

// refsWithin returns the references in n bytes from lo, and drops those before.
func refsWithin(refs *[]object.Ref, lo uint64, n int) []object.Ref {
	for len(*refs) > 0 && (*refs)[0].Offset < lo {
		*refs = (*refs)[1:]
	}
	k := 0
	for k < len(*refs) && (*refs)[k].Offset < lo+uint64(n) {
		k++
	}
	return (*refs)[:k]
}

// copied compares one instruction of a replacement, which stands at lo there.
func (x *siteMatch) copied(s *Site, code []byte, refs []object.Ref, lo uint64, run []byte, p uint64) bool {
	if len(refs) == 1 && len(code) == 5 && code[0] == 0xe9 && run[0] == 0xeb && amd64.IsShortJumpFill(run[2:]) {
		to := p + 2 + uint64(int64(int8(run[1])))
		return x.refer(s, &refs[0], effect{kind: effectPlace, p: p + 1, place: to})
	}
	from := 0
	for i := range refs {
		r := &refs[i]
		off := int(r.Offset - lo)
		if off < from || off+int(FieldSize(r)) > len(code) || !bytes.Equal(code[from:off], run[from:off]) {
			return false
		}
		from = off + int(FieldSize(r))
	}
	if !bytes.Equal(code[from:], run[from:]) {
		return false
	}
	for i := range refs {
		off := refs[i].Offset - lo
		if !x.refer(s, &refs[i], effect{kind: effectSolve, field: run[off:], p: p + off}) {
			return false
		}
	}
	return true
}

// refer adds the effect of a reference of a replacement, as one of the site. It
// returns false when the reference can't be meant.
func (x *siteMatch) refer(s *Site, r *object.Ref, e effect) bool {
	if r.Target == x.a.ID && (e.kind == effectPlace || len(e.field) == 4) { // a branch back into the function
		if e.kind == effectSolve {
			e.place = rewrite.Target(e.field, e.p, 4)
		}
		e.kind, e.to = effectBranch, r.TargetOff
		if e.place-x.t.Addr > 2*x.a.Size+64 {
			return false
		}
	} else if e.kind == effectSolve && !x.mayMean(r, e.field, e.p) {
		return false
	} else {
		own := *r
		own.Offset = s.Off
		e.ref = &own
	}
	x.effects = append(x.effects, e)
	return true
}
