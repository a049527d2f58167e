package compare

import (
	"debug/elf"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
)

// YieldingName returns the weak name by which a reference leads to an atom, or "". Another
// definition may stand behind that name in what runs, and none behind the atom's other names. Of
// what C++ defines in many objects, all definitions are the same.
func YieldingName(o *object.Object, r *object.Ref) string {
	if r.Implicit || r.Target == object.NoAtom {
		return ""
	}
	return yielding(o, o.Atom(r.Target), r.Sym)
}

// YieldingAtom returns the name of an atom if it is weak, or "".
func YieldingAtom(o *object.Object, a *object.Atom) string {
	for _, i := range a.Symbols {
		if s := o.Symbol(i); s.Name == a.Name && s.Value == a.Offset {
			return yielding(o, a, i)
		}
	}
	return ""
}

func yielding(o *object.Object, a *object.Atom, i elfobj.SymbolIndex) string {
	s := o.Symbol(i)
	if !s.IsWeak() || !s.IsDefined() || !s.Section.IsReserved() && o.File.Sections[a.Section].Flags&elf.SHF_GROUP != 0 {
		return ""
	}
	return s.Name
}
