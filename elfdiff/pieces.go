package elfdiff

import (
	"slices"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/internal/tables"
	"github.com/gosplice/gosplice/elfdiff/object"
)

// A pieceTable has the rows for unwinding about pieces of code, which functions lead to.
type pieceTable struct {
	o        *object.Object
	sections map[elfobj.SectionIndex]*tables.OrcTable
}

func readPieces(o *object.Object) *pieceTable {
	t := &pieceTable{o, map[elfobj.SectionIndex]*tables.OrcTable{}}
	for i := range o.Atoms {
		if a := &o.Atoms[i]; tables.IsPiece(o, a) && t.sections[a.Section] == nil {
			t.sections[a.Section] = &tables.OrcTable{}
		}
	}
	if len(t.sections) > 0 {
		tables.OrcTables(o, t.sections)
	}
	return t
}

// samePieceRows compares the rows about the pieces of a function that is the same. Two pieces
// that lie behind one another can share a row, so that what holds in each is compared, and not
// the rows as they stand.
func samePieceRows(pre, post *pieceTable, a, b object.AtomID) bool {
	if len(pre.sections)+len(post.sections) == 0 {
		return true
	}
	list, other := tables.PiecesOf(pre.o, a), tables.PiecesOf(post.o, b)
	return slices.EqualFunc(list, other, func(x, y object.AtomID) bool {
		p, q := &pre.o.Atoms[x], &post.o.Atoms[y]
		return slices.EqualFunc(pre.sections[p.Section].Within(p.Offset, p.End()), post.sections[q.Section].Within(q.Offset, q.End()), tables.SameOrcRow)
	})
}

// ownedPieces are the pieces of code that a function or an entry about one leads to: what is said
// about them is judged with it.
func (j *judge) ownedPieces(o *object.Object) map[object.AtomID]bool {
	if j.pieces == nil {
		j.pieces = map[*object.Object]map[object.AtomID]bool{}
	}
	if m := j.pieces[o]; m != nil {
		return m
	}
	m := map[object.AtomID]bool{}
	for id := range o.Functions() {
		for _, p := range tables.PiecesOf(o, id) {
			m[p] = true
		}
	}
	j.pieces[o] = m
	return m
}
