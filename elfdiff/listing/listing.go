// Package listing puts both sides of a change beside each other for people: the
// instructions of a function, the content of a variable, the members of a type.
//
//	for _, line := range listing.Of(diff, &diff.Functions[0]) { ... }
//	err := listing.Write(os.Stdout, diff, &diff.Functions[0], listing.Options{})
package listing

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/amd64"
)

// Mark says how the two sides of a [Line] relate.
type Mark uint8

// The marks.
const (
	Same       Mark = iota // the same on both sides
	Incidental             // different, and proven not to matter
	Changed                // different
	Pre                    // only in pre
	Post                   // only in post
	Cut                    // no line, but a note about those that are left out
)

var markSigns = [...]string{" ", "~", "|", "<", ">", "."}

// String returns the sign of the mark, one column wide, as diff -y has it:
// "|" changed, "<" only in pre, ">" only in post; "~" for what is incidental, "."
// for what is left out.
func (m Mark) String() string {
	if int(m) < len(markSigns) {
		return markSigns[m]
	}
	return "?"
}

// Line is one row of pre and post side by side: an instruction, or up to 16
// bytes of data.
type Line struct {
	Mark Mark
	// Why says what makes the difference incidental; "" for other marks.
	Why verdict.ReasonCode
	// PreOffset and PostOffset are in bytes from the starts of the atoms. The
	// one of a side that has nothing is 0.
	PreOffset, PostOffset uint64
	// Pre and Post are the texts, "" on the side that has nothing.
	// References are by name, and strings are quoted.
	Pre, Post string
	// PreSide and PostSide say more, for who shows it with links.
	PreSide, PostSide Side
}

// Side is what stands on one side of a [Line].
type Side struct {
	Size uint64 // in bytes; 0 on the side that has nothing
	// Refs are its references, 8 at most; their offsets are from the start of the
	// atom.
	Refs []object.Ref
	// Branch is where a branch inside the function leads, in bytes from its
	// start; -1 for everything else.
	Branch int64
	// Member names what it is in a variable: a member, as [elfdiff.MemberAt] has
	// it, or a symbol inside it; "" where that is not known.
	Member string
}

// Of aligns pre and post of a function or data object. What is new or removed has
// one side only. It is for people: Compare has decided what is a change by other
// means.
//
// Time and memory grow with the size of the functions times the number of
// differences, which is bounded: when there are too many the alignment is not
// the shortest one. A listing has at most 16,384 lines of each side, from some way
// before the first difference on; lines with the mark [Cut] say what is left out.
func Of(d *elfdiff.Diff, ch *verdict.Change) []Line {
	if d == nil || d.Pre == nil || d.Post == nil || ch == nil {
		return nil
	}
	l := &lister{d: d, same: d.SameReference()}
	a, b := d.Pre.Atom(ch.Pre), d.Post.Atom(ch.Post)
	if len(ch.Reasons) > 0 {
		l.first = [2]uint64{ch.Reasons[0].PreOffset, ch.Reasons[0].PostOffset}
	}
	l.side[0], l.side[1] = l.rows(d.Pre, a, 0), l.rows(d.Post, b, 1)
	l.align()
	for i := range ch.Incidental {
		l.incidental(&ch.Incidental[i])
	}
	return l.withCuts(l.lines(), [2]*object.Atom{a, b})
}

// lister makes one listing.
type lister struct {
	d    *elfdiff.Diff
	same func(pre, post *object.Ref) bool
	side [2][]row
	// first is where the first difference is on both sides, in bytes.
	first [2]uint64
	// match holds for each row of pre the row of post beside it, or -1.
	match []int
	other []int // likewise for post
}

// row is an instruction, or a piece of data.
type row struct {
	off    uint64
	size   uint64
	text   string
	member string
	kind   string // rows that may stand side by side as different have the same
	key    string // rows that may stand side by side as equal have the same
	refs   []object.Ref
	target int64 // of a branch inside the function; -1 for others
	// quiet is the code of an incidental difference that starts here.
	quiet verdict.ReasonCode
}

// rows reads one atom.
func (l *lister) rows(o *object.Object, a *object.Atom, side int) []row {
	switch {
	case a == nil:
		return nil
	case a.Kind == object.Func:
		return l.code(o, a, side)
	}
	return newDataLister(l, o, a, side).rows()
}

func (l *lister) code(o *object.Object, a *object.Atom, side int) []row {
	var rows []row
	k := insn.Cursor{Object: o, Atom: a, Off: l.codeStart(o, a, side)}
	for len(rows) < maxListed {
		ok, err := k.Load()
		if err != nil { // what follows can't be read as instructions
			return append(rows, rawRow(a, k.Off, min(k.Off+bytesPerLine, uint64(len(a.Bytes))), ""))
		}
		if !ok {
			return rows
		}
		rows = append(rows, l.codeRow(&k, side))
		k.Advance()
	}
	return rows
}

// codeRow makes a row of the instruction at the cursor.
func (l *lister) codeRow(k *insn.Cursor, side int) row {
	r := row{off: k.Off, size: uint64(k.Inst.Len), text: k.Text(), refs: k.Refs, target: -1}
	r.kind, _, _ = strings.Cut(r.text, " ")
	r.key = shape(k, func(ref *object.Ref) string { return l.refKey(side, ref) })
	if to, ok := amd64.PCRelTarget(k.Inst, k.Bytes(), k.Off); ok && len(k.Refs) == 0 {
		r.target = int64(to)
	}
	return r
}

// refKey names what a reference means so that the same thing has one name in
// pre and post.
func (l *lister) refKey(side int, r *object.Ref) string {
	o := [2]*object.Object{l.d.Pre, l.d.Post}[side]
	if r.Target == object.NoAtom {
		return insn.RefText(o, r)
	}
	t := &o.Atoms[r.Target]
	twin := r.Target
	if side == 1 {
		twin = l.d.PreOf(r.Target)
	}
	switch {
	case t.Kind == object.String:
		return insn.RefText(o, r)
	case t.IsLiteral():
		return "literal" // compared when the rows are aligned
	case twin == object.NoAtom:
		return "new " + insn.RefText(o, r)
	}
	return fmt.Sprintf("%d%+d", twin, r.TargetOff)
}

// shape returns the text of the instruction without what padding and
// placement change: the target of a branch inside the function, and the names
// of references, which refKey gives instead.
func shape(k *insn.Cursor, refKey func(*object.Ref) string) string {
	if k.Inst.IsBranch() {
		return fmt.Sprint(k.Inst.Class, k.Inst.Cond, k.Inst.Prefixes) + refKeys(k, refKey)
	}
	b := slices.Clone(k.Bytes())
	for i := range k.Refs {
		off := k.Refs[i].Offset - k.Off
		n := min(off+uint64(amd64.FieldSize(k.Refs[i].Type)), uint64(len(b)))
		clear(b[min(off, n):n])
	}
	if k.Inst.Class == amd64.Nop {
		return "nop"
	}
	return string(b) + refKeys(k, refKey)
}

// refKeys joins what refKey says about the references of the instruction.
func refKeys(k *insn.Cursor, refKey func(*object.Ref) string) string {
	s := ""
	for i := range k.Refs[:min(len(k.Refs), insn.MaxRefsShown)] {
		s += " " + refKey(&k.Refs[i])
	}
	if n := len(k.Refs) - insn.MaxRefsShown; n > 0 {
		s += fmt.Sprint(" and ", n)
	}
	return s
}
