package tables

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// OrcRowSize is the size of a row for unwinding, bytes.
var OrcRowSize = kerneltab.Named(kerneltab.ORCRows).Usual().Size

// An OrcTable holds the unwinding rows about one section of code, by offset. A
// row holds from its offset to that of the next (Documentation/arch/x86/
// orc-unwinder.rst).
type OrcTable struct{ rows []orcRowAt }

type orcRowAt struct {
	Off uint64 // in the section, bytes
	Row []byte
}

// An orcSource is a table of addresses and the rows that belong to them.
type orcSource struct {
	Addrs *object.Atom
	Rows  []byte
	Form  *entryForm
}

// addOrc finds the rows that belong to .orc_unwind_ip. It is false when they
// don't fit.
func addOrc(o *object.Object, x *Index, a *object.Atom, form *entryForm) bool {
	var rows *object.Atom
	for s := range o.File.SectionsNamed(form.Layout.Rows) {
		for id := o.SectionRange(s.Index).Lo; id < o.SectionRange(s.Index).Hi; id++ {
			if rows != nil {
				return false
			}
			rows = &o.Atoms[id]
		}
	}
	if rows == nil || uint64(len(rows.Bytes)) != a.Size/form.Size*OrcRowSize {
		return false
	}
	x.Orc = append(x.Orc, orcSource{a, rows.Bytes, form})
	return true
}

// SameOrcRow reports whether two rows are at one offset and say the same.
func SameOrcRow(a, b orcRowAt) bool { return a.Off == b.Off && bytes.Equal(a.Row, b.Row) }

// OrcTables reads the rows about the given sections.
func OrcTables(o *object.Object, wanted map[elfobj.SectionIndex]*OrcTable) {
	for _, src := range Of(o).Orc {
		i := uint64(0)
		Cut(src.Addrs, src.Form, func(e Entry) {
			row := src.Rows[i*OrcRowSize:][:OrcRowSize]
			i++
			r := e.Site()
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
		slices.SortStableFunc(tab.rows, func(a, b orcRowAt) int { return cmp.Compare(a.Off, b.Off) })
	}
}

// Within returns the rows about [lo, hi): the one that holds at lo, those
// behind it, and one at hi that ends the last. Offsets are from lo.
func (t *OrcTable) Within(lo, hi uint64) []orcRowAt {
	i, _ := slices.BinarySearchFunc(t.rows, lo, func(r orcRowAt, off uint64) int { return cmp.Compare(r.Off, off+1) })
	var out []orcRowAt
	if i > 0 {
		out = append(out, orcRowAt{0, t.rows[i-1].Row})
	}
	for ; i < len(t.rows) && t.rows[i].Off < hi; i++ {
		out = append(out, orcRowAt{t.rows[i].Off - lo, t.rows[i].Row})
	}
	if out == nil {
		return nil
	}
	return append(out, orcRowAt{hi - lo, make([]byte, OrcRowSize)})
}
