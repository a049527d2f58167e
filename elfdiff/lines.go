package elfdiff

import (
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/dwarf"
)

// dwarfOf returns the debug information, which is looked at when the first question is
// asked: most pairs of objects never need it. It is never nil, but may be empty.
func dwarfOf(o *object.Object) *dwarf.Data {
	return object.Memo(o, func(o *object.Object) *dwarf.Data { return dwarf.New(o.File) })
}

// linesOf returns the line table, or nil when the object has none that can be
// read.
func linesOf(o *object.Object) *dwarf.Lines {
	l, err := dwarfOf(o).Lines()
	if err != nil || l.Empty() {
		return nil
	}
	return l
}

// addr is an offset of an atom as debug information has it.
func addr(a *object.Atom, off uint64) dwarf.Addr {
	return dwarf.Addr{Section: a.Section, Offset: a.Offset + off}
}
