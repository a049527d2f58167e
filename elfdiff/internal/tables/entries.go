package tables

import (
	"cmp"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// RowOf returns the row of a table whose entries travel one by one, or nil: each
// describes one place in the code, and belongs to the function that it lies in. What
// reads them is the kernel's module loader.
func RowOf(section string) *kerneltab.Section {
	if r := kerneltab.Of(section); r.Has(kerneltab.ByEntry) {
		return r
	}
	return nil
}

// An Entry is one entry of a table that describes code.
type Entry struct {
	Table *object.Atom
	Form  *entryForm
	Off   uint64 // from the start of the table, bytes
	Bytes []byte
	Refs  []object.Ref // offsets are from the start of the table
	Owner int          // index in refs of the reference to the place
}

// Site returns the reference to the place that the entry describes.
func (e *Entry) Site() *object.Ref { return &e.Refs[e.Owner] }

// Field returns what an entry says in one of its fields, whose form is known.
func (e *Entry) Field(r kerneltab.Role) kerneltab.Field { return e.Form.Layout.Fields[r] }

// IsText reports whether a reference of an entry is to code that the entry brings along.
func (e *Entry) IsText(r *object.Ref) bool {
	return e.Form.Layout.Has(kerneltab.Replacement) && r.Offset == e.Off+e.Field(kerneltab.Replacement).Offset
}

// textSize returns the length of the code that an entry brings along, bytes. Where
// nothing is known of a form but its size, the last byte says it.
func (e *Entry) textSize() uint64 {
	at := e.Field(kerneltab.ReplacementLength).Offset
	if e.Form.Size != e.Form.Layout.Size {
		at = e.Form.Size - 1
	}
	return uint64(e.Bytes[at])
}

// TextOf returns where in the section of replacements the code of an entry is.
// ok is false when it has none, or lies out of bounds.
func TextOf(o *object.Object, e *Entry, r *object.Ref) (t *object.Atom, lo, hi uint64, ok bool) {
	if !e.IsText(r) || r.Target == object.NoAtom {
		return nil, 0, 0, false
	}
	t = &o.Atoms[r.Target]
	n := e.textSize()
	if o.SectionName(t.Section) != e.Form.Layout.Code || r.TargetOff < 0 || uint64(r.TargetOff) > t.Size || n > t.Size-uint64(r.TargetOff) {
		return nil, 0, 0, false
	}
	return t, uint64(r.TargetOff), uint64(r.TargetOff) + n, true
}

// In cuts a table into entries. ok is false when its relocations do not
// fit any form that entries can have.
func In(a *object.Atom, row *kerneltab.Section) (list []Entry, ok bool) {
	form, ok := FormOf(a, row)
	if !ok {
		return nil, false
	}
	list = make([]Entry, 0, a.Size/form.Size)
	Cut(a, &form, func(e Entry) { list = append(list, e) })
	return list, true
}

// An entryForm is what the entries of one table look like.
type entryForm struct {
	Row    *kerneltab.Section
	Layout *kerneltab.Layout
	Size   uint64 // of an entry, bytes: another one than that of the layout, where it was inferred
}

// FormOf returns the first layout of the row's that fits a table: each entry has a
// reference to a place. When none does, the relocations may show the size.
func FormOf(a *object.Atom, row *kerneltab.Section) (form entryForm, ok bool) {
	for i := range row.Layouts {
		form := entryForm{row, &row.Layouts[i], row.Layouts[i].Size}
		want, whole := form.Layout.Count(a.Size)
		if uint64(len(a.Bytes)) != a.Size || !whole {
			continue
		}
		n := uint64(0)
		Cut(a, &form, func(Entry) { n++ })
		if n == want {
			return form, true
		}
	}
	form = entryForm{Row: row, Layout: row.Usual()}
	form.Size, ok = inferSize(a, form.Layout)
	return form, ok
}

// MaxEntry bounds the size of an entry that is inferred, in bytes.
const MaxEntry = 256

// inferSize finds the size of entries by the relocations: the smallest distance
// after which those of a table repeat, from its first entry to its last.
func inferSize(a *object.Atom, l *kerneltab.Layout) (uint64, bool) {
	if len(a.Refs) == 0 || uint64(len(a.Bytes)) != a.Size {
		return 0, false
	}
	for n := 1; n < len(a.Refs); n++ {
		size := a.Refs[n].Offset - a.Refs[0].Offset
		if size == 0 || size > MaxEntry {
			return 0, false
		}
		if a.Size%size == 0 && Repeats(a, n, size) {
			return size, l.Rows == "" && slices.ContainsFunc(a.Refs[:n], func(r object.Ref) bool { return r.Offset == l.Fields[kerneltab.At].Offset })
		}
	}
	return 0, false
}

// Repeats reports whether each n relocations are like the n before, size bytes
// on.
func Repeats(a *object.Atom, n int, size uint64) bool {
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

// whole returns the entry that bytes of a table begin with. The last one may lack what fills
// up the others, which is zeros.
func (f *entryForm) whole(b []byte) []byte {
	if uint64(len(b)) >= f.Size {
		return b[:f.Size]
	}
	return append(slices.Clip(b), make([]byte, f.Size-uint64(len(b)))...)
}

// Cut yields the entries of a table, up to one without a reference to a
// place.
func Cut(a *object.Atom, form *entryForm, yield func(Entry)) {
	next, size, place := 0, form.Size, form.Layout.Fields[kerneltab.At].Offset
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
		yield(Entry{Table: a, Form: form, Off: off, Bytes: form.whole(a.Bytes[off:]), Refs: a.Refs[first:next], Owner: owner})
	}
}

// Index holds the entries of all tables by the functions that they belong
// to.
type Index struct {
	Entries []Entry // by owner, then by table and offset
	first   []int32 // by atom and one more: its first entry
	Orc     []orcSource
	Damaged []*object.Atom // tables that no layout fits
}

// Of returns the entries about a function, those of one table together.
func (x *Index) Of(id object.AtomID) []Entry { return x.Entries[x.first[id]:x.first[id+1]] }

// Of reads the tables of an object when it is called first.
func Of(o *object.Object) *Index {
	return object.Memo(o, func(o *object.Object) *Index { return readEntries(o) })
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
		if !slices.Contains(met, t.form.Row) {
			met = append(met, t.form.Row)
		}
	}
	slices.SortStableFunc(tables, func(a, b formedTable) int {
		return cmp.Compare(slices.Index(met, a.form.Row), slices.Index(met, b.form.Row))
	})
}

// readEntries counts the entries of each owner, and then puts them in place.
func readEntries(o *object.Object) *Index {
	x := &Index{first: make([]int32, len(o.Atoms)+1)}
	var tables []formedTable
	for i := range o.Atoms {
		a := &o.Atoms[i]
		if a.Kind != object.Special {
			continue
		}
		row := RowOf(o.SectionName(a.Section))
		if row == nil {
			continue
		}
		form, ok := FormOf(a, row)
		switch {
		case !ok || form.Layout.Rows != "" && !addOrc(o, x, a, &form):
			x.Damaged = append(x.Damaged, a)
		case form.Layout.Rows == "":
			tables = append(tables, formedTable{a, &form})
		}
	}
	sortByRow(tables)
	owned := func(do func(e *Entry, owner object.AtomID)) {
		for _, t := range tables {
			Cut(t.atom, t.form, func(e Entry) {
				if id := e.Site().Target; id != object.NoAtom {
					do(&e, id)
				}
			})
		}
	}
	owned(func(_ *Entry, id object.AtomID) { x.first[id+1]++ })
	for i := 1; i < len(x.first); i++ {
		x.first[i] += x.first[i-1]
	}
	x.Entries = make([]Entry, x.first[len(o.Atoms)])
	next := slices.Clone(x.first)
	owned(func(e *Entry, id object.AtomID) {
		x.Entries[next[id]] = *e
		next[id]++
	})
	return x
}
