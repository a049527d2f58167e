package elfdiff

import (
	"slices"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/internal/symname"
)

// walkedName reports whether code may go through a section from its start to its end,
// so that it matters what is in it, and where. Tables that nothing is known of are
// such; those that have a rule are compared by that.
func (j *judge) walkedName(section string) bool {
	if !isWalked(section) || tableRowOf(section) != nil {
		return false
	}
	return !j.carried.Tables || pastRowOf(section) == nil && !kerneltab.Of(section).Has(kerneltab.PerModule)
}

// members reports twins that only one side has in a table that goes by its section,
// and entries that stand elsewhere in it. The kernel goes through its tables in any
// order.
func (j *judge) members() {
	moved := map[string]bool{}
	pre, post := walkedPlaces(j.Pre, j), walkedPlaces(j.Post, j)
	for i := range j.list {
		ch := &j.list[i]
		p, q := j.Pre.SectionName(j.Pre.Atoms[ch.Pre].Section), j.Post.SectionName(j.Post.Atoms[ch.Post].Section)
		if p != q && (j.walkedName(p) || j.walkedName(q)) {
			moved[p], moved[q] = true, true
			j.report(findingAt(j.Post, CodeTableEntry, ch.Post, 0, "it is in %s, and in pre in %s: who goes through a table goes by the section", insn.Clip(q), insn.Clip(p)))
		}
	}
	for i := range j.list {
		ch := &j.list[i]
		x, y := pre[ch.Pre], post[ch.Post]
		q := j.Post.SectionName(j.Post.Atoms[ch.Post].Section)
		if x != y && !j.carried.Tables && j.Post.Atoms[ch.Post].Kind != object.Func && !moved[q] {
			moved[q] = true
			if j.judged(q, CodeTableEntry) {
				continue // what is new or gone moved it
			}
			j.report(findingAt(j.Post, CodeTableEntry, ch.Post, 0, "it stands at another place in a table that goes by its section: %#x in pre, %#x in post", x, y))
		}
	}
	j.extents(moved)
}

// walkedPlaces maps what is in such tables to its place: the sections of one name
// stand one behind the other.
func walkedPlaces(o *object.Object, j *judge) map[object.AtomID]uint64 {
	m := map[object.AtomID]uint64{}
	ends := map[string]uint64{}
	for i, s := range o.File.Sections {
		if o.KindOf(elfobj.SectionIndex(i)) == object.Meta || !j.walkedName(s.Name) {
			continue
		}
		start := ends[s.Name]
		for id, a := range o.SectionAtoms(s.Index) {
			m[id] = start + a.Offset
		}
		ends[s.Name] = start + s.Size
	}
	return m
}

// extent is the size of a table, and the boundary that it starts at, in bytes.
type extent struct {
	size, align uint64
	section     *elfobj.Section
}

// extents reports tables of data that have another size or boundary, though nothing
// in them moved.
func (j *judge) extents(moved map[string]bool) {
	if j.carried.Tables {
		return
	}
	pre, post := extents(j.Pre, j), extents(j.Post, j)
	names := make([]string, 0, len(pre))
	for name := range pre {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		p, q := pre[name], post[name]
		if q.section == nil || moved[name] || p.size == q.size && p.align == q.align || j.judged(name, "") {
			continue
		}
		f := newFinding(CodeTableEntry)
		f.Section, f.Offset = name, min(p.size, q.size)
		f.Message = "a table that goes by its section has another size, or starts at another boundary"
		j.report(f)
	}
}

// judged reports whether something in a section was found to matter, by a code; "" is any.
func (j *judge) judged(section string, code Code) bool {
	of := func(f *Finding) bool { return f.Section == section && (code == "" || f.Code == code) }
	return slices.ContainsFunc(j.Refusals, func(r Refusal) bool { return of(&r.Finding) }) ||
		slices.ContainsFunc(j.Findings, func(f Finding) bool { return f.Accepted && of(&f) })
}

func extents(o *object.Object, j *judge) map[string]extent {
	m := map[string]extent{}
	for i, s := range o.File.Sections {
		if k := o.KindOf(elfobj.SectionIndex(i)); k != object.Meta && k != object.Func && j.walkedName(s.Name) {
			e := m[s.Name]
			m[s.Name] = extent{e.size + s.Size, max(e.align, s.Addralign), s}
		}
	}
	return m
}

// isWalked reports whether a section is a table that code can go through: for one
// whose name is an identifier in C, linkers make the symbols __start_NAME and
// __stop_NAME (GNU ld, "Input section example").
func isWalked(section string) bool { return symname.IsIdentifier(section) }

// tableEntries reports entries of tables that only pre or only post has, by the
// objects that they are: whoever goes through a table does so from its start to its
// end, and what travels is at neither.
func (j *judge) tableEntries() {
	for i := range j.Data {
		ch := &j.Data[i]
		switch {
		case ch.Status == verdict.New && j.carried.Tables && isProbeless(j.Post.SectionName(j.Post.Atoms[ch.Post].Section)):
			j.probeless(ch)
		case ch.Status == verdict.New && j.isEntry(j.Post, ch.Post) && !j.isHook(ch.Post):
			j.report(findingAt(j.Post, CodeTableEntry, ch.Post, 0, "it is new in a table that goes by its section"))
		case ch.Status == verdict.Removed && j.isEntry(j.Pre, ch.Pre):
			j.report(findingAt(j.Pre, CodeTableEntry, ch.Pre, 0, "post has no such entry in a table that goes by its section"))
		}
	}
}

// isProbeless reports whether a section is the list of functions that no kprobe may be
// put on.
func isProbeless(section string) bool {
	r := kerneltab.Of(section)
	return r != nil && r.Name == kerneltab.KprobeBlacklist
}

// probeless says that the mark of a new function is not carried.
func (j *judge) probeless(ch *verdict.Change) {
	f := findingAt(j.Post, CodeTableEntry, ch.Post, 0, "it is not carried, so that kprobes can be put on the function that it is about")
	f.Severity, f.Accept = Ignored, ""
	j.report(f)
}

// isEntry reports whether an object seems to be in memory as an entry of a table:
// by the name of its section, or since nothing else tells where it is.
func (j *judge) isEntry(o *object.Object, id object.AtomID) bool {
	a := &o.Atoms[id]
	section := o.SectionName(a.Section)
	if isPlain(section) || a.Kind == object.TLS || a.Size == 0 || j.past(o, id) != nil {
		return false
	}
	if j.carried.Tables && kerneltab.Of(section).Has(kerneltab.PerModule) {
		return false
	}
	return isWalked(section) || o.IsLocal(a) && len(o.Users(id)) == 0
}
