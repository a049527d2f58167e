package elfdiff

import (
	"bytes"
	"strings"
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
	pre, post := j.Pre.indexEntries(), j.Post.indexEntries()
	for i := range j.list {
		ch := &j.list[i]
		if ch.Kind != Func || ch.Status == Changed {
			continue
		}
		a, b := pre.byOwner[ch.Pre], post.byOwner[ch.Post]
		if where := j.c.entries(a, b); where != "" {
			j.changed(ch.Post, Reason{Code: ReasonTable, Detail: "what " + where + " says about it differs"})
		}
	}
}

// entries compares the entries about one function, and returns the first table
// that differs. Those of one table correspond in their order.
func (c *comparer) entries(a, b []entry) string {
	byTable := map[string][]entry{}
	for _, e := range b {
		byTable[e.rule.section] = append(byTable[e.rule.section], e)
	}
	for i := range a {
		name := a[i].rule.section
		list := byTable[name]
		if len(list) == 0 || !c.sameEntry(&a[i], &list[0]) {
			return name
		}
		byTable[name] = list[1:]
	}
	for i := range b {
		if name := b[i].rule.section; len(byTable[name]) > 0 {
			return name
		}
	}
	return ""
}

func (c *comparer) sameEntry(a, b *entry) bool {
	if len(a.bytes) != len(b.bytes) || len(a.refs) != len(b.refs) || !bytes.Equal(a.constant(), b.constant()) {
		return false
	}
	for i := range a.refs {
		x, y := &a.refs[i], &b.refs[i]
		if x.Offset-a.off != y.Offset-b.off {
			return false
		}
		ta, alo, ahi, oka := c.pre.textOf(a, x)
		tb, blo, bhi, okb := c.post.textOf(b, y)
		if oka != okb {
			return false
		}
		if oka && !c.sameText(ta, tb, alo, ahi, blo, bhi) || !oka && c.isolated(x, y) != "" {
			return false
		}
	}
	return true
}

// constant returns the bytes of an entry without the fields of references and
// without line numbers.
func (e *entry) constant() []byte {
	out := bytes.Clone(e.bytes)
	for i := range e.refs {
		at := e.refs[i].Offset - e.off
		clear(out[at:min(at+uint64(fieldSize(e.refs[i].Type)), uint64(len(out)))])
	}
	if e.rule.section == bugTable {
		clear(out[bugLine:bugLineEnd])
	}
	return out
}

// sameText compares code that entries bring along.
func (c *comparer) sameText(a, b *Atom, alo, ahi, blo, bhi uint64) bool {
	if ahi-alo != bhi-blo {
		return false
	}
	x, y := bytes.Clone(a.Bytes[alo:ahi]), bytes.Clone(b.Bytes[blo:bhi])
	p, q := a.refsIn(alo, ahi), b.refsIn(blo, bhi)
	if len(p) != len(q) {
		return false
	}
	for i := range p {
		at := p[i].Offset - alo
		if q[i].Offset-blo != at || c.isolated(&p[i], &q[i]) != "" {
			return false
		}
		n := uint64(fieldSize(p[i].Type))
		clear(x[at:min(at+n, uint64(len(x)))])
		clear(y[at:min(at+n, uint64(len(y)))])
	}
	return bytes.Equal(x, y)
}

// refsIn returns the references whose fields start in [lo, hi).
func (a *Atom) refsIn(lo, hi uint64) []Ref {
	var out []Ref
	for i := range a.Refs {
		if r := &a.Refs[i]; r.Offset >= lo && r.Offset < hi {
			out = append(out, *r)
		}
	}
	return out
}

// byEntries reports whether a table is compared entry by entry, so that there
// is nothing to say about it as a whole.
func (j *judge) byEntries(section string) bool {
	return j.carriesTables && (entryRuleOf(section) != nil || section == altReplacement || strings.HasPrefix(section, ".orc_unwind"))
}
