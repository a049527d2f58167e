package reloc

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/reloc/image"
)

// A rowTable is a table of the kernel whose rows describe places in code, which
// the code does not refer to. A row has 12 bytes in pre and in run: two distances
// from their own fields to what they mean, and a word of data.
type rowTable struct {
	table *kerneltab.Section
	// sameData compares the data of two rows.
	sameData func(pre, run uint32) bool
	// sameSecond compares what the second distance leads to.
	sameSecond func(m *comparer, t *trial, a *object.Atom, r *codeRow, to uint64) *difference
	why        string
}

const rowKinds = 2

// rowTables has a row for each. The bug table of older kernels, or without
// CONFIG_DEBUG_BUGVERBOSE, has other rows, and is not looked at.
var rowTables = [rowKinds]rowTable{
	{
		table: kerneltab.Named(kerneltab.BugTable), sameData: sameBug, sameSecond: (*comparer).sameFile,
		why: "struct bug_entry: the ud2, the name of the file, the line and flags (include/asm-generic/bug.h of Linux 6.1)",
	},
	{
		table: kerneltab.Named(kerneltab.ExTable), sameData: func(pre, run uint32) bool { return pre == run }, sameSecond: (*comparer).sameFixup,
		why: "struct exception_table_entry: the instruction that may fault, where to go on, and how (arch/x86/include/asm/extable.h of Linux 6.1)",
	},
}

// codeRow is a row of pre about a place in a function.
type codeRow struct {
	table  uint8
	off    uint64 // in the function
	second *object.Ref
	data   uint32
}

// codeRows are the rows of pre, by the function that they are about, and those of run.
type codeRows struct {
	rows      map[object.AtomID][]codeRow
	runRows   *[rowKinds][]image.Row
	rowHints  [rowKinds]int
	rowPlaces []uint64 // room for what the rows of a function are about
}

// findRows reads the tables of pre, by the function that their rows are about.
func findRows(pre *object.Object) map[object.AtomID][]codeRow {
	out := make(map[object.AtomID][]codeRow)
	for k := range rowTables {
		for s := range pre.File.SectionsNamed(rowTables[k].table.Name) {
			if s.Size%image.RowSize != 0 {
				continue
			}
			for _, a := range pre.SectionAtoms(s.Index) {
				entries(a, rowTables[k].table.Usual(), func(e []byte, refs []object.Ref, r *object.Ref) {
					g := pre.Atom(r.Target)
					if g == nil || g.Kind != object.Func || r.Edge || len(refs) != 2 || refs[1].Offset != r.Offset+4 {
						return
					}
					out[g.ID] = append(out[g.ID], codeRow{uint8(k), uint64(r.TargetOff), &refs[1], binary.LittleEndian.Uint32(e[8:])})
				})
			}
		}
	}
	return out
}

// compareRows compares what the tables say about a function that was found to be
// equal: both have rows about the same places, which mean the same.
func (m *comparer) compareRows(t *trial, a *object.Atom) *difference {
	if m.noSymbols || t.away || m.moduleOf(t.addr) != 0 {
		return nil
	}
	rows := m.rows[a.ID]
	for k, all := range m.rowsOfRun() {
		if all == nil {
			continue
		}
		run := rowsIn(all, t.addr, t.addr+t.size, &m.rowHints[k])
		known := m.rowPlaces[:0]
		for i := range rows {
			if int(rows[i].table) != k {
				continue
			}
			if e := m.compareRow(t, a, &rows[i], run); e != nil {
				return e
			}
			known = append(known, t.at(int64(rows[i].off)))
		}
		slices.Sort(known)
		m.rowPlaces = known
		for i := range run {
			at := run[i].At
			if _, ok := slices.BinarySearch(known, at); !ok {
				return t.fail(reasonTable, 0, at-t.addr, "run has a row in %s about +%#x, which pre has not", rowTables[k].table.Name, at-t.addr)
			}
		}
	}
	return nil
}

// rowsOfRun returns the rows of the kernel, by table; nil for one that it does not have, or
// not in this form.
func (m *comparer) rowsOfRun() *[rowKinds][]image.Row {
	if m.runRows == nil {
		m.runRows = new([rowKinds][]image.Row)
		for k := range rowTables {
			m.runRows[k] = m.img.Rows(rowTables[k].table.Bounds.Start, rowTables[k].table.Bounds.Stop)
		}
	}
	return m.runRows
}

// rowsIn returns the rows about [lo, hi). hint is where those of the latest
// function were: the functions of an object are near each other.
func rowsIn(rows []image.Row, lo, hi uint64, hint *int) []image.Row {
	i := *hint
	if i > 0 && rows[i-1].At >= lo || i+4 < len(rows) && rows[i+4].At < lo {
		i, _ = findRow(rows, lo)
	}
	for i < len(rows) && rows[i].At < lo {
		i++
	}
	*hint = i
	j := i
	for j < len(rows) && rows[j].At < hi {
		j++
	}
	return rows[i:j]
}

// findRow returns the first row about an address, or where it would be.
func findRow(rows []image.Row, at uint64) (int, bool) {
	return slices.BinarySearchFunc(rows, at, func(r image.Row, at uint64) int { return cmp.Compare(r.At, at) })
}

func (m *comparer) compareRow(t *trial, a *object.Atom, r *codeRow, run []image.Row) *difference {
	row, at := &rowTables[r.table], t.at(int64(r.off))
	i, ok := findRow(run, at)
	switch {
	case !ok:
		return t.fail(reasonTable, r.off, at-t.addr, "pre has a row in %s about it, which run has not", row.table.Name)
	case !row.sameData(r.data, run[i].Data):
		return t.fail(reasonTable, r.off, at-t.addr, "the row in %s has %#x, in pre %#x", row.table.Name, run[i].Data, r.data)
	}
	return row.sameSecond(m, t, a, r, run[i].Second)
}

// bugDone is set by the kernel once a warning that is given once was given
// (BUGFLAG_DONE of include/asm-generic/bug.h, Linux 6.1).
const bugDone = 1 << 2

// sameBug compares flags: lines are the lower half, and incidental.
func sameBug(pre, run uint32) bool { return (pre>>16)&^bugDone == (run>>16)&^bugDone }

// sameFile compares the name of the file of a bug.
func (m *comparer) sameFile(t *trial, _ *object.Atom, r *codeRow, to uint64) *difference {
	g := m.pre.Atom(r.second.Target)
	if g == nil || !g.Kind.IsLiteral() || r.second.TargetOff < 0 || r.second.TargetOff >= int64(len(g.Bytes)) {
		return nil
	}
	want := g.Bytes[r.second.TargetOff:]
	run, err := m.view.Bytes(to, uint64(len(want)))
	if err == nil && bytes.Equal(run, want) {
		return nil
	}
	e := t.fail(reasonTable, r.off, t.at(int64(r.off))-t.addr, "the row in __bug_table has file %q, in pre %q", cString(run), cString(want))
	e.Target, e.Err = to, err
	return e
}

// cString cuts text at its NUL.
func cString(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

// sameFixup compares where a fault goes on: at a place of the function, or of
// another one, about which it is as good as a branch.
func (m *comparer) sameFixup(t *trial, a *object.Atom, r *codeRow, to uint64) *difference {
	g := m.pre.Atom(r.second.Target)
	if g == nil || g.Kind != object.Func || r.second.Edge {
		return nil
	}
	if g.ID != a.ID {
		if r.second.TargetOff > 0 {
			t.bind(binding{key: key{inAtom, int32(g.ID), r.second.TargetOff}, value: to, ref: r.off})
		}
		return nil
	}
	if want := t.at(r.second.TargetOff); to != want {
		e := t.fail(reasonTable, r.off, t.at(int64(r.off))-t.addr, "the row in __ex_table goes on at +%#x, in pre at +%#x", to-t.addr, r.second.TargetOff)
		e.Target = to
		return e
	}
	return nil
}
