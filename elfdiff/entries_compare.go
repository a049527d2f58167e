package elfdiff

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
)

// ReasonTable says that an entry of a table that describes the function
// differs, although its code does not.
const ReasonTable ReasonCode = "table"

// bugLine is where an entry of __bug_table keeps a line number: two bytes
// (struct bug_entry in include/asm-generic/bug.h, CONFIG_DEBUG_BUGVERBOSE).
const (
	bugTable   = "__bug_table"
	bugLine    = 8
	bugLineEnd = 10
)

// entries compares what the tables say about functions whose code is the same.
// Only with [Options].Tables does it matter: then entries travel.
func (j *judge) entries() {
	if !j.carriesTables {
		return
	}
	pre, post := indexEntries(j.Pre), indexEntries(j.Post)
	consts := [2]map[object.AtomID][]constantUse{constantUses(j.Pre), constantUses(j.Post)}
	for i := range j.list {
		ch := &j.list[i]
		if ch.Kind != object.Func || ch.Status == Changed {
			continue
		}
		a, b := pre.of(ch.Pre), post.of(ch.Post)
		where := j.c.entries(a, b)
		if where == "" && !j.sameConstantUses(ch, consts[0][ch.Pre], consts[1][ch.Post]) {
			where = "a table of runtime constants"
		}
		if where == "" {
			ch.Incidental = append(ch.Incidental, bugLines(entriesOf(a, entryRuleOf(bugTable)), entriesOf(b, entryRuleOf(bugTable)))...)
		} else {
			j.changed(ch.Post, Reason{Code: ReasonTable, Detail: "what " + where + " says about it differs"})
		}
	}
}

// sameConstantUses compares the places of runtime constants in a function.
func (j *judge) sameConstantUses(ch *Change, a, b []constantUse) bool {
	return slices.EqualFunc(a, b, func(x, y constantUse) bool {
		// the place is inside an instruction, which maps knows by its start
		at := interior{ch.Pre, ch.Post, x.off, y.off}
		return x.table == y.table && (x.off == y.off || j.shifted(ch) && j.c.inside(&at))
	})
}

// bugLines lists the line numbers that differ in entries of __bug_table which are
// the same otherwise.
func bugLines(a, b []entry) []Reason {
	var list []Reason
	for i := range min(len(a), len(b), maxIncidental) {
		if len(a[i].bytes) < bugLineEnd {
			break
		}
		p, q := binary.LittleEndian.Uint16(a[i].bytes[bugLine:]), binary.LittleEndian.Uint16(b[i].bytes[bugLine:])
		if p != q {
			list = append(list, Reason{
				Code: ReasonLine, PreOffset: uint64(max(a[i].site().TargetOff, 0)), PostOffset: uint64(max(b[i].site().TargetOff, 0)),
				PreText: fmt.Sprint("line ", p), PostText: fmt.Sprint("line ", q), Detail: "an entry of " + bugTable,
			})
		}
	}
	return list
}

// entries compares the entries about one function, and returns the first table
// that differs. Those of one table correspond in their order.
func (c *comparer) entries(a, b []entry) string {
	for rest := a; len(rest) > 0; {
		of := oneTable(rest)
		rest = rest[len(of):]
		other := entriesOf(b, of[0].rule)
		for i := range of {
			if i >= len(other) || !c.sameEntry(&of[i], &other[i]) {
				return of[0].rule.section
			}
		}
	}
	for rest := b; len(rest) > 0; {
		of := oneTable(rest)
		rest = rest[len(of):]
		if len(of) > len(entriesOf(a, of[0].rule)) {
			return of[0].rule.section
		}
	}
	return ""
}

// oneTable returns the first entries, as far as they are of one table.
func oneTable(list []entry) []entry {
	n := 1
	for n < len(list) && list[n].rule == list[0].rule {
		n++
	}
	return list[:n]
}

// entriesOf returns those of one table.
func entriesOf(list []entry, rule *entryRule) []entry {
	for len(list) > 0 {
		of := oneTable(list)
		if of[0].rule == rule {
			return of
		}
		list = list[len(of):]
	}
	return nil
}

func (c *comparer) sameEntry(a, b *entry) bool {
	if len(a.bytes) != len(b.bytes) || len(a.refs) != len(b.refs) || !sameConstant(a, b) {
		return false
	}
	for i := range a.refs {
		x, y := &a.refs[i], &b.refs[i]
		if x.Offset-a.off != y.Offset-b.off || amd64.FieldSize(x.Type) != amd64.FieldSize(y.Type) {
			return false
		}
		ta, alo, ahi, oka := textOf(c.pre, a, x)
		tb, blo, bhi, okb := textOf(c.post, b, y)
		if oka != okb || amd64.TypeClass(x.Type) != amd64.TypeClass(y.Type) {
			return false
		}
		if oka && !c.sameText(ta, tb, alo, ahi, blo, bhi) || !oka && c.isolated(x, y) != "" {
			return false
		}
	}
	return true
}

// sameConstant compares the bytes of two entries without the fields of
// references and without line numbers. The fields of a stand for those of b,
// which sameEntry finds in the same places.
func sameConstant(a, b *entry) bool {
	for i := range a.bytes {
		if a.bytes[i] != b.bytes[i] && !a.masked(uint64(i)) {
			return false
		}
	}
	return true
}

// masked reports whether the byte at an offset of the entry is part of a
// reference, or of a line number.
func (e *entry) masked(at uint64) bool {
	if e.rule.section == bugTable && at >= bugLine && at < bugLineEnd {
		return true
	}
	for i := range e.refs {
		if r := &e.refs[i]; at-(r.Offset-e.off) < uint64(amd64.FieldSize(r.Type)) {
			return true
		}
	}
	return false
}

// sameText compares code that entries bring along.
func (c *comparer) sameText(a, b *object.Atom, alo, ahi, blo, bhi uint64) bool {
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
		if q[i].Offset-blo != at || c.isolated(&p[i], &q[i]) != "" {
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
	return j.carriesTables && (entryRuleOf(section) != nil || section == altReplacement ||
		strings.HasPrefix(section, orcRows) || strings.HasPrefix(section, runtimeConst) || isSiteList(section))
}

// isSiteList reports whether a table is a list of addresses that code which travels
// does without: what it says about other functions is compared, in any order.
func isSiteList(section string) bool {
	r := object.SectionRuleOf(section)
	return r != nil && r.Drop && r.Role == object.CodeTable
}
