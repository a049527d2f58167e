package tables

import (
	"debug/elf"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/object"
)

// IsPiece reports whether an atom is code without an identity, to which functions lead, or the
// entries about them: where faults go on, the slow ways of alternatives.
func IsPiece(o *object.Object, a *object.Atom) bool {
	return a.Kind == object.Const && o.File.Sections[a.Section].Flags&elf.SHF_EXECINSTR != 0
}

// PiecesOf lists the pieces of code that a function or the entries about it lead to, in the order
// of these, each once.
func PiecesOf(o *object.Object, id object.AtomID) []object.AtomID {
	var list []object.AtomID
	add := func(refs []object.Ref) {
		for i := range refs {
			t := o.Atom(refs[i].Target)
			if t != nil && IsPiece(o, t) && !slices.Contains(list, t.ID) {
				list = append(list, t.ID)
			}
		}
	}
	add(o.Atoms[id].Refs)
	for _, e := range Of(o).Of(id) {
		add(e.Refs)
	}
	return list
}
