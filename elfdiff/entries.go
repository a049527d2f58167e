package elfdiff

import (
	"cmp"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// entryRowOf returns the row of a table whose entries travel one by one, or nil: each
// describes one place in the code, and belongs to the function that it lies in. What
// reads them is the kernel's module loader.
func entryRowOf(section string) *kerneltab.Section {
	if r := kerneltab.Of(section); r.Has(kerneltab.ByEntry) {
		return r
	}
	return nil
}

// An entry is one entry of a table that describes code.
type entry struct {
	table *object.Atom
	form  *entryForm
	off   uint64 // from the start of the table, bytes
	bytes []byte
	refs  []object.Ref // offsets are from the start of the table
	owner int          // index in refs of the reference to the place
}

// site returns the reference to the place that the entry describes.
func (e *entry) site() *object.Ref { return &e.refs[e.owner] }

// field returns what an entry says in one of its fields, whose form is known.
func (e *entry) field(r kerneltab.Role) kerneltab.Field { return e.form.layout.Fields[r] }

// isText reports whether a reference of an entry is to code that the entry brings along.
func (e *entry) isText(r *object.Ref) bool {
	return e.form.layout.Has(kerneltab.Replacement) && r.Offset == e.off+e.field(kerneltab.Replacement).Offset
}

// textSize returns the length of the code that an entry brings along, bytes. Where
// nothing is known of a form but its size, the last byte says it.
func (e *entry) textSize() uint64 {
	at := e.field(kerneltab.ReplacementLength).Offset
	if e.form.size != e.form.layout.Size {
		at = e.form.size - 1
	}
	return uint64(e.bytes[at])
}

// textOf returns where in the section of replacements the code of an entry is.
// ok is false when it has none, or lies out of bounds.
func textOf(o *object.Object, e *entry, r *object.Ref) (t *object.Atom, lo, hi uint64, ok bool) {
	if !e.isText(r) || r.Target == object.NoAtom {
		return nil, 0, 0, false
	}
	t = &o.Atoms[r.Target]
	n := e.textSize()
	if o.SectionName(t.Section) != e.form.layout.Code || r.TargetOff < 0 || uint64(r.TargetOff) > t.Size || n > t.Size-uint64(r.TargetOff) {
		return nil, 0, 0, false
	}
	return t, uint64(r.TargetOff), uint64(r.TargetOff) + n, true
}

// entriesIn cuts a table into entries. ok is false when its relocations do not
// fit any form that entries can have.
func entriesIn(a *object.Atom, row *kerneltab.Section) (list []entry, ok bool) {
	form, ok := entryFormOf(a, row)
	if !ok {
		return nil, false
	}
	list = make([]entry, 0, a.Size/form.size)
	cutTable(a, &form, func(e entry) { list = append(list, e) })
	return list, true
}

// An entryForm is what the entries of one table look like.
type entryForm struct {
	row    *kerneltab.Section
	layout *kerneltab.Layout
	size   uint64 // of an entry, bytes: another one than that of the layout, where it was inferred
}

// entryFormOf returns the first layout of the row's that fits a table: each entry has a
// reference to a place. When none does, the relocations may show the size.
func entryFormOf(a *object.Atom, row *kerneltab.Section) (form entryForm, ok bool) {
	for i := range row.Layouts {
		form := entryForm{row, &row.Layouts[i], row.Layouts[i].Size}
		if uint64(len(a.Bytes)) != a.Size || a.Size%form.size != 0 {
			continue
		}
		n := uint64(0)
		cutTable(a, &form, func(entry) { n++ })
		if n == a.Size/form.size {
			return form, true
		}
	}
	form = entryForm{row: row, layout: row.Usual()}
	form.size, ok = inferSize(a, form.layout)
	return form, ok
}

// maxEntry bounds the size of an entry that is inferred, in bytes.
const maxEntry = 256

// inferSize finds the size of entries by the relocations: the smallest distance
// after which those of a table repeat, from its first entry to its last.
func inferSize(a *object.Atom, l *kerneltab.Layout) (uint64, bool) {
	if len(a.Refs) == 0 || uint64(len(a.Bytes)) != a.Size {
		return 0, false
	}
	for n := 1; n < len(a.Refs); n++ {
		size := a.Refs[n].Offset - a.Refs[0].Offset
		if size == 0 || size > maxEntry {
			return 0, false
		}
		if a.Size%size == 0 && repeats(a, n, size) {
			return size, l.Rows == "" && slices.ContainsFunc(a.Refs[:n], func(r object.Ref) bool { return r.Offset == l.Fields[kerneltab.At].Offset })
		}
	}
	return 0, false
}

// repeats reports whether each n relocations are like the n before, size bytes
// on.
func repeats(a *object.Atom, n int, size uint64) bool {
	if len(a.Refs)%n != 0 || uint64(len(a.Refs)/n) != a.Size/size {
		return false
	}
	for i := n; i < len(a.Refs); i++ {
		if x, y := &a.Refs[i-n], &a.Refs[i]; y.Offset-x.Offset != size || y.Type != x.Type {
			return false
		}
	}
	return true
}

// cutTable yields the entries of a table, up to one without a reference to a
// place.
func cutTable(a *object.Atom, form *entryForm, yield func(entry)) {
	next, size, place := 0, form.size, form.layout.Fields[kerneltab.At].Offset
	for off := uint64(0); off < a.Size; off += size {
		first := next
		owner := -1
		for ; next < len(a.Refs) && a.Refs[next].Offset < off+size; next++ {
			if a.Refs[next].Offset == off+place {
				owner = next - first
			}
		}
		if owner < 0 {
			return
		}
		yield(entry{table: a, form: form, off: off, bytes: a.Bytes[off : off+size], refs: a.Refs[first:next], owner: owner})
	}
}

// entryIndex holds the entries of all tables by the functions that they belong
// to.
type entryIndex struct {
	entries []entry // by owner, then by table and offset
	first   []int32 // by atom and one more: its first entry
	orc     []orcSource
	damaged []*object.Atom // tables that no layout fits
}

// of returns the entries about a function, those of one table together.
func (x *entryIndex) of(id object.AtomID) []entry { return x.entries[x.first[id]:x.first[id+1]] }

// indexEntries reads the tables of an object when it is called first.
func indexEntries(o *object.Object) *entryIndex {
	return object.Memo(o, func(o *object.Object) *entryIndex { return readEntries(o) })
}

// formedTable is a table whose entries have a known form.
type formedTable struct {
	atom *object.Atom
	form *entryForm
}

// sortByRow brings the tables of one name together, in the order in which the
// names are met: there may be one for each group of sections.
func sortByRow(tables []formedTable) {
	var met []*kerneltab.Section
	for _, t := range tables {
		if !slices.Contains(met, t.form.row) {
			met = append(met, t.form.row)
		}
	}
	slices.SortStableFunc(tables, func(a, b formedTable) int {
		return cmp.Compare(slices.Index(met, a.form.row), slices.Index(met, b.form.row))
	})
}

// readEntries counts the entries of each owner, and then puts them in place.
func readEntries(o *object.Object) *entryIndex {
	x := &entryIndex{first: make([]int32, len(o.Atoms)+1)}
	var tables []formedTable
	for i := range o.Atoms {
		a := &o.Atoms[i]
		if a.Kind != object.Special {
			continue
		}
		row := entryRowOf(o.SectionName(a.Section))
		if row == nil {
			continue
		}
		form, ok := entryFormOf(a, row)
		switch {
		case !ok || form.layout.Rows != "" && !addOrc(o, x, a, &form):
			x.damaged = append(x.damaged, a)
		case form.layout.Rows == "":
			tables = append(tables, formedTable{a, &form})
		}
	}
	sortByRow(tables)
	owned := func(do func(e *entry, owner object.AtomID)) {
		for _, t := range tables {
			cutTable(t.atom, t.form, func(e entry) {
				if id := e.site().Target; id != object.NoAtom {
					do(&e, id)
				}
			})
		}
	}
	owned(func(_ *entry, id object.AtomID) { x.first[id+1]++ })
	for i := 1; i < len(x.first); i++ {
		x.first[i] += x.first[i-1]
	}
	x.entries = make([]entry, x.first[len(o.Atoms)])
	next := slices.Clone(x.first)
	owned(func(e *entry, id object.AtomID) {
		x.entries[next[id]] = *e
		next[id]++
	})
	return x
}
