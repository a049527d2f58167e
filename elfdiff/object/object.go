package object

import (
	"iter"
	"sync"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
)

// Object is a relocatable object, cut into atoms. It is immutable, and safe
// for concurrent use.
type Object struct {
	// File is the object as it was read.
	File *elfobj.File
	// Atoms are the pieces of the object, by section and offset; an atom's ID
	// is its index.
	Atoms []Atom

	name    string
	kinds   []Kind // of the sections
	symbols []elfobj.Symbol
	// bySection holds the half-open range of Atoms of each section.
	bySection []AtomRange
	// bySymbol maps each symbol to the atom that it is defined in.
	bySymbol []AtomID
	users    userLists

	memos sync.Map // see [Memo]
}

// AtomRange is a half-open range of atoms.
type AtomRange struct{ Lo, Hi AtomID }

// Name returns the path that the object was opened from, or "".
func (o *Object) Name() string { return o.name }

// Close closes the file of an object from [Open] once nothing will be compared
// or shown any more. All else stays valid, but debug information that was not
// yet read counts as missing then. An object that is not closed is when it is
// garbage.
func (o *Object) Close() error {
	if o == nil || o.File == nil {
		return nil
	}
	return o.File.Close()
}

// Symbols returns the object's symbol table; index 0 is the null symbol.
func (o *Object) Symbols() []elfobj.Symbol { return o.symbols }

// Symbol returns the symbol with index i; the null symbol where there is none.
func (o *Object) Symbol(i elfobj.SymbolIndex) *elfobj.Symbol {
	if uint64(i) >= uint64(len(o.symbols)) {
		return new(elfobj.Symbol)
	}
	return &o.symbols[i]
}

// Atom returns the atom with the given id, or nil for NoAtom, and for what is no id.
func (o *Object) Atom(id AtomID) *Atom {
	if id < 0 || int(id) >= len(o.Atoms) {
		return nil
	}
	return &o.Atoms[id]
}

// AtomOf returns the atom that symbol i is defined in; NoAtom for undefined,
// absolute, common, file and section symbols.
func (o *Object) AtomOf(i elfobj.SymbolIndex) AtomID {
	if int(i) >= len(o.bySymbol) {
		return NoAtom
	}
	return o.bySymbol[i]
}

// SectionAtoms yields the atoms of one section, by offset.
func (o *Object) SectionAtoms(s elfobj.SectionIndex) iter.Seq2[AtomID, *Atom] {
	return func(yield func(AtomID, *Atom) bool) {
		if int(s) >= len(o.bySection) {
			return
		}
		for id := o.bySection[s].Lo; id < o.bySection[s].Hi; id++ {
			if !yield(id, &o.Atoms[id]) {
				return
			}
		}
	}
}

// Functions yields the functions, in file order. Cold parts are functions of
// their own, whose Owner is their parent.
func (o *Object) Functions() iter.Seq2[AtomID, *Atom] {
	return func(yield func(AtomID, *Atom) bool) {
		for i := range o.Atoms {
			if o.Atoms[i].Kind == Func && !yield(AtomID(i), &o.Atoms[i]) {
				return
			}
		}
	}
}

// AtomAt returns the atom that covers offset off of section s, or NoAtom.
func (o *Object) AtomAt(s elfobj.SectionIndex, off uint64) AtomID {
	if int(s) >= len(o.bySection) {
		return NoAtom
	}
	lo, hi := o.bySection[s].Lo, o.bySection[s].Hi
	for lo < hi {
		mid := lo + (hi-lo)/2
		switch a := &o.Atoms[mid]; {
		case off < a.Offset:
			hi = mid
		case off >= a.End():
			lo = mid + 1
		default:
			return mid
		}
	}
	return NoAtom
}

// SectionName returns the name of a section; "?" for an index that has none.
func (o *Object) SectionName(s elfobj.SectionIndex) string {
	if o.File != nil && int(s) < len(o.File.Sections) {
		return o.File.Sections[s].Name
	}
	return "?"
}

// KindOf returns the kind of what a section holds.
func (o *Object) KindOf(s elfobj.SectionIndex) Kind {
	if int(s) >= len(o.kinds) {
		return Meta
	}
	return o.kinds[s]
}

// Section returns the atoms of a section.
func (o *Object) SectionRange(s elfobj.SectionIndex) AtomRange {
	if int(s) >= len(o.bySection) {
		return AtomRange{}
	}
	return o.bySection[s]
}

// Users returns the atoms that refer to one, each once, by their IDs.
func (o *Object) Users(id AtomID) []AtomID { return o.users.of(id) }
