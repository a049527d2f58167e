package elfdiff

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/internal/compare"
	"github.com/gosplice/gosplice/elfdiff/internal/extraction"
	"github.com/gosplice/gosplice/elfdiff/internal/tables"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// unowned appends what a table that is compared entry by entry holds beside the
// entries about functions, which the verdicts on these include.
func (j *judge) unowned(list []rest, o *object.Object, s *elfobj.Section) []rest {
	for _, a := range o.SectionAtoms(s.Index) {
		switch row := tables.RowOf(s.Name); {
		case s.Name == kerneltab.AltReplacement:
			if j.usedTexts == nil {
				j.usedTexts = map[*object.Object]map[object.AtomID][]codeRange{}
			}
			if j.usedTexts[o] == nil {
				j.usedTexts[o] = usedText(o)
			}
			list = unusedText(list, a, j.usedTexts[o][a.ID])
		case s.Name == kerneltab.ORCRows:
			if len(tables.Of(o).Orc) == 0 {
				list = append(list, restOf(a, 0, a.Size))
			}
		case row == nil:
			list = byRefs(list, a)
		case slices.Contains(tables.Of(o).Damaged, a):
			list = append(list, restOf(a, 0, a.Size))
		default:
			form, _ := tables.FormOf(a, row)
			tables.Cut(a, &form, func(e tables.Entry) {
				if t := e.Site().Target; t == object.NoAtom || o.Atoms[t].Kind != object.Func && !(form.Layout.Rows != "" && object.Memo(o, readOwnedPieces)[t]) {
					list = append(list, restOf(a, e.Off, min(e.Off+form.Size, a.Size)))
				}
			})
		}
	}
	return list
}

// byRefs cuts a list of addresses at its references.
func byRefs(list []rest, a *object.Atom) []rest {
	if len(a.Refs) == 0 || a.Refs[0].Offset > 0 {
		end := a.Size
		if len(a.Refs) > 0 {
			end = a.Refs[0].Offset
		}
		list = append(list, restOf(a, 0, end))
	}
	for i := range a.Refs {
		end := a.Size
		if i+1 < len(a.Refs) {
			end = a.Refs[i+1].Offset
		}
		if end > a.Refs[i].Offset {
			list = append(list, restOf(a, a.Refs[i].Offset, end))
		}
	}
	return list
}

// codeRange is a piece of a section of code, in bytes from its start.
type codeRange struct{ lo, hi int32 }

// usedText maps the sections of code for alternatives to the pieces that entries
// bring along.
func usedText(o *object.Object) map[object.AtomID][]codeRange {
	used := map[object.AtomID][]codeRange{}
	x := tables.Of(o)
	for i := range x.Entries {
		e := &x.Entries[i]
		for k := range e.Refs {
			if t, lo, hi, ok := tables.TextOf(o, e, &e.Refs[k]); ok {
				used[t.ID] = append(used[t.ID], codeRange{int32(lo), int32(hi)})
			}
		}
	}
	return used
}

// unusedText appends the code for alternatives that no entry brings along.
func unusedText(list []rest, a *object.Atom, used []codeRange) []rest {
	slices.SortFunc(used, func(x, y codeRange) int { return cmp.Compare(x.lo, y.lo) })
	end := int32(0)
	for _, u := range append(used, codeRange{int32(a.Size), int32(a.Size)}) {
		if u.lo > end && !(amd64.IsPadding(a.Bytes[end:u.lo]) && len(a.RefsIn(uint64(end), uint64(u.lo))) == 0) {
			list = append(list, restOf(a, uint64(end), uint64(u.lo)))
		}
		end = max(end, u.hi)
	}
	return list
}

// orcRowOf is a row about a function, by its offset there.
type orcRowOf struct {
	off   int64
	field uint32 // type of the relocation of its address
	row   []byte
}

// orcByFunction maps functions to the rows about them and about the padding behind
// them, in order.
func orcByFunction(o *object.Object) map[object.AtomID][]orcRowOf {
	m := map[object.AtomID][]orcRowOf{}
	for _, src := range tables.Of(o).Orc {
		i := uint64(0)
		tables.Cut(src.Addrs, src.Form, func(e tables.Entry) {
			row := src.Rows[i*tables.OrcRowSize:][:tables.OrcRowSize]
			i++
			if t := e.Site().Target; t != object.NoAtom {
				m[t] = append(m[t], orcRowOf{e.Site().TargetOff, amd64.TypeClass(e.Site().Type), row})
			}
		})
	}
	sections := map[elfobj.SectionIndex]*tables.OrcTable{}
	for id, a := range o.Functions() {
		slices.SortStableFunc(m[id], func(a, b orcRowOf) int { return cmp.Compare(a.off, b.off) })
		sections[a.Section] = &tables.OrcTable{}
	}
	tables.OrcTables(o, sections)
	for id, a := range o.Functions() {
		m[id] = fromStart(sections[a.Section], m[id], a)
	}
	return m
}

// fromStart puts the row that holds where a function starts in front of its own. It has
// none there when the code in front of it ends with the same one.
func fromStart(t *tables.OrcTable, own []orcRowOf, a *object.Atom) []orcRowOf {
	if len(own) > 0 && own[0].off <= 0 {
		return own
	}
	holds := t.Within(a.Offset, a.End())
	if len(holds) == 0 || holds[0].Off != 0 {
		return own
	}
	return append([]orcRowOf{{0, amd64.PC32, holds[0].Row}}, own...)
}

// unwinds compares the rows for unwinding about functions that are the same:
// ORC, and the records of .eh_frame.
func (j *judge) unwinds() {
	if j.carried.Tables && len(tables.Of(j.Pre).Orc)+len(tables.Of(j.Post).Orc) > 0 {
		pre, post := orcByFunction(j.Pre), orcByFunction(j.Post)
		for i := range j.list {
			ch := &j.list[i]
			if ch.Kind != object.Func || ch.Status != verdict.Same {
				continue
			}
			if !j.sameOrc(ch, pre[ch.Pre], post[ch.Post]) || !j.samePieceRows(ch.Pre, ch.Post) {
				j.unwindDiffers(ch, kerneltab.ORCRows)
			}
		}
	}
	pre, post := recordsIn(j.Pre), recordsIn(j.Post)
	for i := range j.list {
		ch := &j.list[i]
		if ch.Kind == object.Func && ch.Status == verdict.Same && !j.shifted(ch) && !j.sameRecords(pre[ch.Pre], post[ch.Post]) {
			j.unwindDiffers(ch, kerneltab.EhFrame)
		}
	}
}

func (j *judge) unwindDiffers(ch *verdict.Change, table string) {
	f := findingAt(j.Post, CodeTableDiffers, ch.Post, 0, "what %s says about it differs, and its code does not", table)
	if j.past(j.Post, ch.Post) != nil { // nothing runs it any more
		f.Severity, f.Accept = Ignored, ""
	}
	j.report(f)
}

// shifted reports whether places in an unchanged function have other offsets in
// post.
func (j *judge) shifted(ch *verdict.Change) bool {
	return slices.ContainsFunc(ch.Incidental, func(r verdict.Reason) bool { return r.Code == verdict.ReasonPadding || r.Code == verdict.ReasonJump })
}

// sameOrc compares the rows about a function. Those about the padding behind it are
// there only where no other function follows at once, and are compared where both sides
// have them.
func (j *judge) sameOrc(ch *verdict.Change, a, b []orcRowOf) bool {
	size := [2]int64{int64(j.Pre.Atoms[ch.Pre].Size), int64(j.Post.Atoms[ch.Post].Size)}
	inside := [2]int{rowsWithin(a, size[0]), rowsWithin(b, size[1])}
	if inside[0] != inside[1] {
		return false
	}
	if len(a) != len(b) {
		a, b = a[:inside[0]], b[:inside[1]]
	}
	for i := range a {
		if !bytes.Equal(a[i].row, b[i].row) || a[i].field != b[i].field {
			return false
		}
		if i >= inside[0] {
			if a[i].off-size[0] != b[i].off-size[1] {
				return false
			}
			continue
		}
		at := compare.Interior{Pre: ch.Pre, Post: ch.Post, PreOff: a[i].off, PostOff: b[i].off}
		if !j.c.Corresponds(&at) && !j.c.Between(&at) {
			return false
		}
	}
	return true
}

// rowsWithin counts the rows, which are in order, about a function of a size.
func rowsWithin(rows []orcRowOf, size int64) int {
	n, _ := slices.BinarySearchFunc(rows, size, func(r orcRowOf, size int64) int { return cmp.Compare(r.off, size) })
	return n
}

// recordsIn maps functions to the records of .eh_frame about them.
func recordsIn(o *object.Object) map[object.AtomID][]*object.Atom {
	m := map[object.AtomID][]*object.Atom{}
	for i := range o.Atoms {
		if a := &o.Atoms[i]; a.Kind == object.Unwind && a.Owner != object.NoAtom {
			m[a.Owner] = append(m[a.Owner], a)
		}
	}
	return m
}

func (j *judge) sameRecords(a, b []*object.Atom) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		p, q := extraction.CIEOf(j.Pre, a[i]), extraction.CIEOf(j.Post, b[i])
		if !j.sameRecord(a[i], b[i]) || (p == object.NoAtom) != (q == object.NoAtom) {
			return false
		}
		if p != object.NoAtom && !j.sameRecord(&j.Pre.Atoms[p], &j.Post.Atoms[q]) {
			return false
		}
	}
	return true
}

// sameRecord compares two records, without their lengths: the last of a section is
// filled up with DW_CFA_nop, which is zero (DWARF 5, section 6.4.1). The second word
// of those that have an owner says how far their head is before them.
func (j *judge) sameRecord(a, b *object.Atom) bool {
	if len(a.Refs) != len(b.Refs) || !bytes.Equal(instructionsOf(a), instructionsOf(b)) {
		return false
	}
	for i := range a.Refs {
		if a.Refs[i].Offset != b.Refs[i].Offset || j.c.Isolated(&a.Refs[i], &b.Refs[i]) != "" {
			return false
		}
	}
	return true
}

// instructionsOf returns what a record says: its bytes, without fields of references,
// lengths, distances and what fills it up.
func instructionsOf(a *object.Atom) []byte {
	b := slices.Clone(a.Bytes)
	extraction.ClearFields(b, a)
	n := 4
	switch size := uint64(len(b)); {
	case size < 4 || uint64(binary.LittleEndian.Uint32(b)) != size-4:
		n = 0 // damaged
	case a.Owner != object.NoAtom:
		n = 8
	}
	return bytes.TrimRight(b[min(n, len(b)):], "\x00")
}
