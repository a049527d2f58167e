package elfdiff

import (
	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/extract"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
)

// inPlace is a constant that is overwritten.
type inPlace struct{ pre, post object.AtomID }

// initial is a variable whose members are set.
type initial struct {
	pre, post object.AtomID
	members   []extract.InitialMember
}

// aligned is an Alignment on its way.
type aligned struct {
	pre      object.AtomID
	name     string // of what pre does not define
	off      int64
	align    uint64
	function string
	at       uint64
}

// A plan is what an extraction has to know of a comparison.
type plan struct {
	Pre, Post *object.Object
	Functions []verdict.Change
	// PreOf has the atom of pre for each of post, Included says whether it travels.
	PreOf    []object.AtomID
	Included []bool
	// Tables has the entries of tables about code travel with it.
	Tables bool
	// ByCallers are functions of post that take effect by their callers.
	ByCallers map[object.AtomID]bool
	Keeps     []extract.Kept
	Aligned   []aligned
	InPlace   []inPlace
	Initials  []initial
}

// extract makes the object that carries the changes.
func (p *plan) extract() (*extract.Extracted, error) {
	x := &extraction{
		plan:  p,
		home:  make([]placed, len(p.Post.Atoms)),
		ext:   map[externalKey]elfobj.SymbolIndex{},
		names: map[string]int{},

		anchors: map[elfobj.SectionIndex]elfobj.SymbolIndex{},
	}
	x.layout()
	x.unwind()
	x.relocate()
	x.tables()
	x.constants()
	x.over, x.sets = x.updates(), x.initialUpdates()
	return x.finish()
}
