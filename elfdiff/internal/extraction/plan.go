package extraction

import (
	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/extract"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// Overwrite is a constant that is overwritten.
type Overwrite struct{ Pre, Post object.AtomID }

// Initial is a variable whose members are set.
type Initial struct {
	Pre, Post object.AtomID
	Members   []extract.InitialMember
}

// Aligned is an Alignment on its way.
type Aligned struct {
	Pre      object.AtomID
	Name     string // of what pre does not define
	Off      int64
	Align    uint64
	Function string
	At       uint64
}

// A Plan is what an extraction has to know of a comparison. Extractions share it: none
// writes into it.
type Plan struct {
	Pre, Post *object.Object
	Functions []verdict.Change
	// PreOf has the atom of pre for each of post.
	PreOf []object.AtomID
	*Carried
}

// Carried is what a comparison has found to travel, and to be done beside it.
type Carried struct {
	Included []bool // of post's atoms: what travels
	// Tables has the entries of tables about code travel with it.
	Tables bool
	// ByCallers are functions of post that take effect by their callers, which are
	// replaced.
	ByCallers map[object.AtomID]bool
	Keeps     []extract.Kept
	Aligned   []Aligned
	InPlace   []Overwrite
	Initials  []Initial
}

// Extract makes the object that carries the changes. Literals that pre has too are referred to
// where run knows them; it may be nil.
func (p *Plan) Extract(run extract.Located) (*extract.Extracted, error) {
	x := &extraction{
		Plan:    p,
		home:    make([]placed, len(p.Post.Atoms)),
		there:   map[object.AtomID]placeInPre{},
		ext:     map[externalKey]elfobj.SymbolIndex{},
		names:   map[string]int{},
		entries: entryTables{tables: map[*kerneltab.Section]*tableOut{}},

		anchors: map[elfobj.SectionIndex]elfobj.SymbolIndex{},
	}
	x.findOriginals(run)
	x.layout()
	x.unwind()
	x.relocate()
	x.tables()
	x.constants()
	x.over, x.sets = x.updates(), x.initialUpdates()
	return x.finish()
}
