package explain

import (
	"fmt"

	"github.com/gosplice/gosplice/elfdiff/internal/debug"
	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/internal/typediff"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/types"
	"github.com/gosplice/gosplice/elfdiff/verdict"
)

// layout explains a first difference that is nothing but the offset of a member
// that was moved.
func (d *Pair) layout(ch *verdict.Change) (Explanation, bool) {
	if len(ch.Reasons) == 0 || ch.Reasons[0].Code != verdict.ReasonInstruction || !debug.Info(d.Pre).HasEntries() || !debug.Info(d.Post).HasEntries() {
		return Explanation{}, false
	}
	r := &ch.Reasons[0]
	a, ok1 := displacement(d.Pre, ch.Pre, r.PreOffset)
	b, ok2 := displacement(d.Post, ch.Post, r.PostOffset)
	if !ok1 || !ok2 || a == b {
		return Explanation{}, false
	}
	list, err := d.Types()
	if err != nil {
		return Explanation{}, false
	}
	for i := range list {
		t := &list[i]
		if t.Kind != types.LayoutChanged {
			continue
		}
		for k := range t.Uses {
			u := &t.Uses[k]
			if u.Pre != ch.Pre || u.Post != ch.Post {
				continue
			}
			if m := movedBetween(t, u.Base, a, b); m != nil {
				text := fmt.Sprintf("%s of %s, which it uses, moved from %s to %s", m.Post.Name, t.Name, m.Pre.Place(), m.Post.Place())
				return Explanation{Code: Layout, Symbol: t.Name, Text: text}, true
			}
		}
	}
	return Explanation{}, false
}

// movedBetween returns the member that has one offset in pre and another in
// post, when the type begins at base, or nil.
func movedBetween(t *types.Change, base uint64, pre, post int64) *types.MemberChange {
	for i := range t.Members {
		m := &t.Members[i]
		if m.Pre != nil && m.Post != nil && typediff.NumberOf(m.Pre, t.Kind, base) == pre && typediff.NumberOf(m.Post, t.Kind, base) == post {
			return m
		}
	}
	return nil
}

// displacement returns that of the instruction at an offset, when no relocation
// fills it in. Where there is none it is 0.
func displacement(o *object.Object, f object.AtomID, off uint64) (int64, bool) {
	k := insn.Cursor{Object: o, Atom: o.Atom(f), Off: off}
	if ok, err := k.Load(); !ok || err != nil || k.Inst.IsBranch() {
		return 0, false
	}
	if k.Inst.DispLen == 0 {
		return 0, true
	}
	b := k.Bytes()[k.Inst.DispOff : k.Inst.DispOff+k.Inst.DispLen]
	return typediff.Signed(b), !k.Relocates(k.Inst.DispOff)
}
