package elfdiff

import (
	"cmp"
	"slices"

	"github.com/gosplice/gosplice/internal/elfobj"
)

// An orcTable holds the unwinding rows about one section of code, by offset. A
// row holds from its offset to that of the next (Documentation/arch/x86/
// orc-unwinder.rst).
type orcTable struct{ rows []orcRowAt }

type orcRowAt struct {
	off uint64 // in the section, bytes
	row []byte
}

// addOrc reads .orc_unwind_ip with the rows that belong to it.
func (o *Object) addOrc(x *entryIndex, a *Atom, rule *entryRule, list []entry) bool {
	var rows *Atom
	for s := range o.File.SectionsNamed(rule.rows) {
		for id := o.bySection[s.Index].lo; id < o.bySection[s.Index].hi; id++ {
			if rows != nil {
				return false
			}
			rows = &o.Atoms[id]
		}
	}
	if rows == nil || uint64(len(rows.Bytes)) != uint64(len(list))*rule.rowSize {
		return false
	}
	for i := range list {
		r := list[i].site()
		if r.Target == NoAtom {
			continue
		}
		t := &o.Atoms[r.Target]
		tab := x.orc[t.Section]
		if tab == nil {
			tab = &orcTable{}
			x.orc[t.Section] = tab
		}
		row := rows.Bytes[uint64(i)*rule.rowSize:][:rule.rowSize]
		tab.rows = append(tab.rows, orcRowAt{uint64(int64(t.Offset) + r.TargetOff), row})
	}
	for _, tab := range x.orc {
		slices.SortStableFunc(tab.rows, func(a, b orcRowAt) int { return cmp.Compare(a.off, b.off) })
	}
	return true
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

// orc writes the unwinding rows of the functions that travel.
func (x *extraction) orc(tables map[elfobj.SectionIndex]*orcTable) {
	var rows []byte
	var addrs []elfobj.Rela
	for i := range x.Post.Atoms {
		a := &x.Post.Atoms[i]
		if !x.included[i] || a.Kind != Func || tables[a.Section] == nil {
			continue
		}
		h := x.home[i]
		sym, base := x.anchors[h.sec], int64(h.off)
		for _, r := range tables[a.Section].within(a.Offset, a.End()) {
			addrs = append(addrs, elfobj.Rela{Offset: uint64(len(addrs)) * 4, Type: relPC32, Sym: sym, Addend: base + int64(r.off)})
			rows = append(rows, r.row...)
		}
	}
	if len(addrs) == 0 {
		return
	}
	h := elfobj.SectionHeader{Name: orcAddresses, Type: shtProgbits, Flags: shfAlloc, Addralign: 4, Entsize: 4}
	x.b.AddRela(x.b.AddSection(h, make([]byte, 4*len(addrs))), addrs...)
	h.Name, h.Addralign, h.Entsize = ".orc_unwind", 2, orcRow
	x.b.AddSection(h, rows)
}
