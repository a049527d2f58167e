package elfdiff

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/internal/compare"
	"github.com/gosplice/gosplice/elfdiff/internal/extraction"
	"github.com/gosplice/gosplice/elfdiff/internal/tables"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// ReasonTable says that an entry of a table that describes the function
// differs, although its code does not.
const ReasonTable verdict.ReasonCode = "table"

// entries compares what the tables say about functions whose code is the same.
// Only with [Options].Tables does it matter: then entries travel.
func (j *judge) entries() {
	if !j.carried.Tables {
		return
	}
	pre, post := tables.Of(j.Pre), tables.Of(j.Post)
	bugs := kerneltab.Named(kerneltab.BugTable)
	consts := [2]map[object.AtomID][]extraction.RuntimeConstant{extraction.RuntimeConstants(j.Pre), extraction.RuntimeConstants(j.Post)}
	for i := range j.list {
		ch := &j.list[i]
		if ch.Kind != object.Func || ch.Status == verdict.Changed {
			continue
		}
		a, b := pre.Of(ch.Pre), post.Of(ch.Post)
		where := entries(j.c, a, b)
		if where == "" && !j.sameConstantUses(ch, consts[0][ch.Pre], consts[1][ch.Post]) {
			where = "a table of runtime constants"
		}
		if where == "" {
			ch.Incidental = append(ch.Incidental, bugLines(tables.OfRow(a, bugs), tables.OfRow(b, bugs))...)
		} else {
			j.changed(ch.Post, verdict.Reason{Code: ReasonTable, Detail: "what " + where + " says about it differs"})
		}
	}
}

// sameConstantUses compares the places of runtime constants in a function.
func (j *judge) sameConstantUses(ch *verdict.Change, a, b []extraction.RuntimeConstant) bool {
	return slices.EqualFunc(a, b, func(x, y extraction.RuntimeConstant) bool {
		// the place is inside an instruction, which maps knows by its start
		at := compare.Interior{Pre: ch.Pre, Post: ch.Post, PreOff: x.Off, PostOff: y.Off}
		return x.Table == y.Table && (x.Off == y.Off || j.shifted(ch) && j.c.Inside(&at))
	})
}

// bugLines lists the line numbers that differ in entries of __bug_table which are
// the same otherwise.
func bugLines(a, b []tables.Entry) []verdict.Reason {
	var list []verdict.Reason
	for i := range min(len(a), len(b), compare.MaxIncidental) {
		p, ok := tables.LineOf(&a[i])
		q, ok2 := tables.LineOf(&b[i])
		if !ok || !ok2 {
			break
		}
		if p != q {
			list = append(list, verdict.Reason{
				Code: verdict.ReasonLine, PreOffset: uint64(max(a[i].Site().TargetOff, 0)), PostOffset: uint64(max(b[i].Site().TargetOff, 0)),
				PreText: fmt.Sprint("line ", p), PostText: fmt.Sprint("line ", q), Detail: "an entry of " + a[i].Form.Row.Name,
			})
		}
	}
	return list
}

// entries compares the entries about one function, and returns the first table
// that differs. Those of one table correspond in their order.
func entries(c *compare.Comparer, a, b []tables.Entry) string {
	for rest := a; len(rest) > 0; {
		of := tables.FirstTable(rest)
		rest = rest[len(of):]
		other := tables.OfRow(b, of[0].Form.Row)
		for i := range of {
			if i >= len(other) || !sameEntry(c, &of[i], &other[i]) {
				return of[0].Form.Row.Name
			}
		}
	}
	for rest := b; len(rest) > 0; {
		of := tables.FirstTable(rest)
		rest = rest[len(of):]
		if len(of) > len(tables.OfRow(a, of[0].Form.Row)) {
			return of[0].Form.Row.Name
		}
	}
	return ""
}

func sameEntry(c *compare.Comparer, a, b *tables.Entry) bool {
	if len(a.Bytes) != len(b.Bytes) || len(a.Refs) != len(b.Refs) || !sameConstant(a, b) {
		return false
	}
	for i := range a.Refs {
		x, y := &a.Refs[i], &b.Refs[i]
		if x.Offset-a.Off != y.Offset-b.Off || amd64.FieldSize(x.Type) != amd64.FieldSize(y.Type) {
			return false
		}
		ta, alo, ahi, oka := tables.TextOf(c.Pre, a, x)
		tb, blo, bhi, okb := tables.TextOf(c.Post, b, y)
		if oka != okb || amd64.TypeClass(x.Type) != amd64.TypeClass(y.Type) {
			return false
		}
		if oka && !sameText(c, ta, tb, alo, ahi, blo, bhi) || !oka && c.Isolated(x, y) != "" {
			return false
		}
	}
	return true
}

// sameConstant compares the bytes of two entries without the fields of
// references and without line numbers. The fields of a stand for those of b,
// which sameEntry finds in the same places.
func sameConstant(a, b *tables.Entry) bool {
	for i := range a.Bytes {
		if a.Bytes[i] != b.Bytes[i] && !masked(a, uint64(i)) {
			return false
		}
	}
	return true
}

// masked reports whether the byte at an offset of the entry is part of a
// reference, or of a line number.
func masked(e *tables.Entry, at uint64) bool {
	if f := e.Field(kerneltab.Line); at >= f.Offset && at < f.End() {
		return true
	}
	for i := range e.Refs {
		if r := &e.Refs[i]; at-(r.Offset-e.Off) < uint64(amd64.FieldSize(r.Type)) {
			return true
		}
	}
	return false
}

// sameText compares code that entries bring along.
func sameText(c *compare.Comparer, a, b *object.Atom, alo, ahi, blo, bhi uint64) bool {
	if ahi-alo != bhi-blo {
		return false
	}
	x, y := bytes.Clone(a.Bytes[alo:ahi]), bytes.Clone(b.Bytes[blo:bhi])
	p, q := a.RefsIn(alo, ahi), b.RefsIn(blo, bhi)
	if len(p) != len(q) {
		return false
	}
	for i := range p {
		at := p[i].Offset - alo
		if q[i].Offset-blo != at || c.Isolated(&p[i], &q[i]) != "" {
			return false
		}
		n := uint64(amd64.FieldSize(p[i].Type))
		clear(x[at:min(at+n, uint64(len(x)))])
		clear(y[at:min(at+n, uint64(len(y)))])
	}
	return bytes.Equal(x, y)
}

// byEntries reports whether a table is compared entry by entry, so that there
// is nothing to say about it as a whole.
func (j *judge) byEntries(section string) bool {
	if !j.carried.Tables {
		return false
	}
	row := kerneltab.Of(section)
	return isCarried(row) || isSiteList(row) || row != nil && row.Name == kerneltab.ORCRows
}

// isCarried reports whether what a table says about code travels with the code.
func isCarried(row *kerneltab.Section) bool {
	return row.Has(kerneltab.ByEntry) || row != nil && (row.Name == kerneltab.AltReplacement || extraction.HasConstants(row))
}

// isSiteList reports whether a table is a list of addresses that code which travels
// does without: what it says about other functions is compared, in any order.
func isSiteList(row *kerneltab.Section) bool {
	return row.Has(kerneltab.Expendable) && row.Class == kerneltab.NoClass
}
