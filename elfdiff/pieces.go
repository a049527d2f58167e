package elfdiff

import (
	"slices"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/internal/tables"
	"github.com/gosplice/gosplice/elfdiff/object"
)

// orcOfPieces are the rows for unwinding about the sections of an object that have pieces of code,
// which functions lead to.
type orcOfPieces map[elfobj.SectionIndex]*tables.OrcTable

func readOrcOfPieces(o *object.Object) orcOfPieces {
	rows := orcOfPieces{}
	for i := range o.Atoms {
		if a := &o.Atoms[i]; tables.IsPiece(o, a) && rows[a.Section] == nil {
			rows[a.Section] = &tables.OrcTable{}
		}
	}
	if len(rows) > 0 {
		tables.OrcTables(o, rows)
	}
	return rows
}

// samePieceRows compares the rows about the pieces of a function that is the same. Two pieces
// that lie behind one another can share a row, so that what holds in each is compared, and not
// the rows as they stand.
func (j *judge) samePieceRows(a, b object.AtomID) bool {
	pre, post := object.Memo(j.Pre, readOrcOfPieces), object.Memo(j.Post, readOrcOfPieces)
	if len(pre)+len(post) == 0 {
		return true
	}
	return slices.EqualFunc(tables.PiecesOf(j.Pre, a), tables.PiecesOf(j.Post, b), func(x, y object.AtomID) bool {
		p, q := &j.Pre.Atoms[x], &j.Post.Atoms[y]
		return slices.EqualFunc(pre[p.Section].Within(p.Offset, p.End()), post[q.Section].Within(q.Offset, q.End()), tables.SameOrcRow)
	})
}

// ownedPieces are the pieces of code that a function or an entry about one leads to: what is said
// about them is judged with it.
type ownedPieces map[object.AtomID]bool

func readOwnedPieces(o *object.Object) ownedPieces {
	m := ownedPieces{}
	for id := range o.Functions() {
		for _, p := range tables.PiecesOf(o, id) {
			m[p] = true
		}
	}
	return m
}
