package prove

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
// from their own fields to what they mean, and a word of data, or a third distance.
type rowTable struct {
	Table *kerneltab.Section
	// sameData compares the data of two rows.
	sameData func(pre, run uint32) bool
	// sameSecond compares what the second distance leads to.
	sameSecond func(m *Comparer, t *Trial, a *object.Atom, r *CodeRow, to uint64) *Difference
	third      bool // the data may be a distance too
	why        string
}

// RowKinds is the number of tables whose rows are compared.
const RowKinds = 2

// RowTables has a row for each. The bug table of older kernels, or without
// CONFIG_DEBUG_BUGVERBOSE, has other rows, and is not looked at.
var RowTables = [RowKinds]rowTable{
	{
		Table: kerneltab.Named(kerneltab.BugTable), sameData: sameBug, sameSecond: (*Comparer).sameFile,
		why: "struct bug_entry: the ud2, the name of the file, the line and flags (include/asm-generic/bug.h of Linux 6.1)",
	},
	{
		Table: kerneltab.Named(kerneltab.ExTable), sameData: func(pre, run uint32) bool { return pre == run }, sameSecond: (*Comparer).sameFixup, third: true,
		why: "struct exception_table_entry: the instruction that may fault, where to go on, and how, which is the address of a function in Linux 5.10 (arch/x86/include/asm/extable.h of Linux 6.1)",
	},
}

// CodeRow is a row of pre about a place in a function.
type CodeRow struct {
	Table  uint8
	Off    uint64 // in the function
	second *object.Ref
	third  *object.Ref // instead of the data: the handler of a fault, until Linux 5.15
	data   uint32
}

// codeRows are the rows of pre, by the function that they are about, and those of run.
type codeRows struct {
	rows      map[object.AtomID][]CodeRow
	runRows   *[RowKinds][]image.Row
	rowHints  [RowKinds]int
	rowPlaces []uint64 // room for what the rows of a function are about
}

// FindRows reads the tables of pre, by the function that their rows are about.
func FindRows(pre *object.Object) map[object.AtomID][]CodeRow {
	out := make(map[object.AtomID][]CodeRow)
	for k := range RowTables {
		for s := range pre.File.SectionsNamed(RowTables[k].Table.Name) {
			if s.Size%image.RowSize != 0 {
				continue
			}
			for _, a := range pre.SectionAtoms(s.Index) {
				entries(a, RowTables[k].Table.Usual(), func(e []byte, refs []object.Ref, r *object.Ref) {
					g := pre.Atom(r.Target)
					if g == nil || g.Kind != object.Func || r.Edge || len(refs) < 2 || len(refs) > 3 || refs[1].Offset != r.Offset+4 {
						return
					}
					row := CodeRow{Table: uint8(k), Off: uint64(r.TargetOff), second: &refs[1], data: binary.LittleEndian.Uint32(e[8:])}
					if len(refs) == 3 {
						if refs[2].Offset != r.Offset+8 || !RowTables[k].third {
							return
						}
						row.third = &refs[2]
					}
					out[g.ID] = append(out[g.ID], row)
				})
			}
		}
	}
	return out
}

// compareRows compares what the tables say about a function that was found to be
// equal: both have rows about the same places, which mean the same.
func (m *Comparer) compareRows(t *Trial, a *object.Atom) *Difference {
	if m.NoSymbols || t.away || m.ModuleOf(t.Addr) != 0 {
		return nil
	}
	rows := m.rows[a.ID]
	for k, all := range m.rowsOfRun() {
		if all == nil {
			continue
		}
		run := rowsIn(all, t.Addr, t.Addr+t.Size, &m.rowHints[k])
		known := m.rowPlaces[:0]
		for i := range rows {
			if int(rows[i].Table) != k {
				continue
			}
			if e := m.compareRow(t, a, &rows[i], run); e != nil {
				return e
			}
			known = append(known, t.At(int64(rows[i].Off)))
		}
		slices.Sort(known)
		m.rowPlaces = known
		for i := range run {
			at := run[i].At
			if _, ok := slices.BinarySearch(known, at); !ok {
				return t.Fail(ReasonTable, 0, at-t.Addr, "run has a row in %s about +%#x, which pre has not", RowTables[k].Table.Name, at-t.Addr)
			}
		}
	}
	return nil
}

// rowsOfRun returns the rows of the kernel, by table; nil for one that it does not have, or
// not in this form.
func (m *Comparer) rowsOfRun() *[RowKinds][]image.Row {
	if m.runRows == nil {
		m.runRows = new([RowKinds][]image.Row)
		for k := range RowTables {
			m.runRows[k] = m.Image.Rows(RowTables[k].Table.Bounds.Start, RowTables[k].Table.Bounds.Stop)
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

func (m *Comparer) compareRow(t *Trial, a *object.Atom, r *CodeRow, run []image.Row) *Difference {
	row, at := &RowTables[r.Table], t.At(int64(r.Off))
	i, ok := findRow(run, at)
	switch {
	case !ok:
		return t.Fail(ReasonTable, r.Off, at-t.Addr, "pre has a row in %s about it, which run has not", row.Table.Name)
	case r.third != nil:
		m.bindThird(t, r, run[i].Third)
	case !row.sameData(r.data, run[i].Data):
		return t.Fail(ReasonTable, r.Off, at-t.Addr, "the row in %s has %#x, in pre %#x", row.Table.Name, run[i].Data, r.data)
	}
	return row.sameSecond(m, t, a, r, run[i].Second)
}

// bindThird notes where the third distance of a row leads in run: all that refer to the same
// symbol have to agree.
func (m *Comparer) bindThird(t *Trial, r *CodeRow, to uint64) {
	key := Key{Space: InAddress, ID: int32(r.third.Sym)}
	if g := m.Pre.Atom(r.third.Target); g != nil {
		key = Key{Space: InAtom, ID: int32(g.ID)}
	}
	t.bind(Binding{Key: key, Value: to - uint64(r.third.TargetOff), Ref: r.Off})
}

// BugDone is set by the kernel once a warning that is given once was given
// (BUGFLAG_DONE of include/asm-generic/bug.h, Linux 6.1).
const BugDone = 1 << 2

// sameBug compares flags: lines are the lower half, and incidental.
func sameBug(pre, run uint32) bool { return (pre>>16)&^BugDone == (run>>16)&^BugDone }

// sameFile compares the name of the file of a bug.
func (m *Comparer) sameFile(t *Trial, _ *object.Atom, r *CodeRow, to uint64) *Difference {
	g := m.Pre.Atom(r.second.Target)
	if g == nil || !g.Kind.IsLiteral() || r.second.TargetOff < 0 || r.second.TargetOff >= int64(len(g.Bytes)) {
		return nil
	}
	want := g.Bytes[r.second.TargetOff:]
	run, err := m.View.Bytes(to, uint64(len(want)))
	if err == nil && bytes.Equal(run, want) {
		return nil
	}
	e := t.Fail(ReasonTable, r.Off, t.At(int64(r.Off))-t.Addr, "the row in __bug_table has file %q, in pre %q", cString(run), cString(want))
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
func (m *Comparer) sameFixup(t *Trial, a *object.Atom, r *CodeRow, to uint64) *Difference {
	g := m.Pre.Atom(r.second.Target)
	if g == nil || g.Kind != object.Func || r.second.Edge {
		return nil
	}
	if g.ID != a.ID {
		if r.second.TargetOff > 0 {
			t.bind(Binding{Key: Key{InAtom, int32(g.ID), r.second.TargetOff}, Value: to, Ref: r.Off})
		}
		return nil
	}
	if want := t.At(r.second.TargetOff); to != want {
		e := t.Fail(ReasonTable, r.Off, t.At(int64(r.Off))-t.Addr, "the row in __ex_table goes on at +%#x, in pre at +%#x", to-t.Addr, r.second.TargetOff)
		e.Target = to
		return e
	}
	return nil
}
