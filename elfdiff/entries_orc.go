package elfdiff

import (
	"cmp"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// orcRow is the size of a row for unwinding, bytes.
var orcRow = kerneltab.Named(kerneltab.ORCRows).Usual().Size

// An orcTable holds the unwinding rows about one section of code, by offset. A
// row holds from its offset to that of the next (Documentation/arch/x86/
// orc-unwinder.rst).
type orcTable struct{ rows []orcRowAt }

type orcRowAt struct {
	off uint64 // in the section, bytes
	row []byte
}

// An orcSource is a table of addresses and the rows that belong to them.
type orcSource struct {
	addrs *object.Atom
	rows  []byte
	form  *entryForm
}

// addOrc finds the rows that belong to .orc_unwind_ip. It is false when they
// don't fit.
func addOrc(o *object.Object, x *entryIndex, a *object.Atom, form *entryForm) bool {
	var rows *object.Atom
	for s := range o.File.SectionsNamed(form.layout.Rows) {
		for id := o.SectionRange(s.Index).Lo; id < o.SectionRange(s.Index).Hi; id++ {
			if rows != nil {
				return false
			}
			rows = &o.Atoms[id]
		}
	}
	if rows == nil || uint64(len(rows.Bytes)) != a.Size/form.size*orcRow {
		return false
	}
	x.orc = append(x.orc, orcSource{a, rows.Bytes, form})
	return true
}

// orcTables reads the rows about the given sections.
func orcTables(o *object.Object, wanted map[elfobj.SectionIndex]*orcTable) {
	for _, src := range indexEntries(o).orc {
		i := uint64(0)
		cutTable(src.addrs, src.form, func(e entry) {
			row := src.rows[i*orcRow:][:orcRow]
			i++
			r := e.site()
			if r.Target == object.NoAtom {
				return
			}
			t := &o.Atoms[r.Target]
			if tab := wanted[t.Section]; tab != nil {
				tab.rows = append(tab.rows, orcRowAt{uint64(int64(t.Offset) + r.TargetOff), row})
			}
		})
	}
	for _, tab := range wanted {
		slices.SortStableFunc(tab.rows, func(a, b orcRowAt) int { return cmp.Compare(a.off, b.off) })
	}
}

// within returns the rows about [lo, hi): the one that holds at lo, those
// behind it, and one at hi that ends the last. Offsets are from lo.
func (t *orcTable) within(lo, hi uint64) []orcRowAt {
	i, _ := slices.BinarySearchFunc(t.rows, lo, func(r orcRowAt, off uint64) int { return cmp.Compare(r.off, off+1) })
	var out []orcRowAt
	if i > 0 {
		out = append(out, orcRowAt{0, t.rows[i-1].row})
	}
	for ; i < len(t.rows) && t.rows[i].off < hi; i++ {
		out = append(out, orcRowAt{t.rows[i].off - lo, t.rows[i].row})
	}
	if out == nil {
		return nil
	}
	return append(out, orcRowAt{hi - lo, make([]byte, orcRow)})
}
