package splice

import (
	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/reloc"
)

// Belongs returns nil where a match is of the object that a comparison has as pre, otherwise a [*Refusal]
// ([CodeNotMatched]): addresses that were found for another object mean something else.
func Belongs(d *elfdiff.Diff, m *reloc.Result) error {
	switch {
	case d == nil || d.Pre == nil:
		return Refuse(CodeNotMatched, "", "", 0, "no comparison is given")
	case m == nil:
		return Refuse(CodeNotMatched, d.Pre.Name(), "", 0, "no match is given with the comparison")
	}
	for i := range m.Functions {
		f := &m.Functions[i]
		if !isFunction(d.Pre, f.Atom, f.Name) {
			r := Refuse(CodeNotMatched, f.Name, "", f.Address, "the match is of another object than %s", d.Pre.Name())
			r.Hint = "match the very object that is compared as pre"
			return r
		}
	}
	return nil
}

func isFunction(o *object.Object, id object.AtomID, name string) bool {
	return id >= 0 && int(id) < len(o.Atoms) && o.Atoms[id].Kind == object.Func && o.Atoms[id].Name == name
}
