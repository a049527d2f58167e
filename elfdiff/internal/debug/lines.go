package debug

import (
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/dwarf"
)

// Info returns the debug information, which is looked at when the first question is
// asked: most pairs of objects never need it. It is never nil, but may be empty.
func Info(o *object.Object) *dwarf.Data {
	return object.Memo(o, func(o *object.Object) *dwarf.Data { return dwarf.New(o.File) })
}

// LineTable returns the line table, or nil when the object has none that can be
// read.
func LineTable(o *object.Object) *dwarf.Lines {
	l, err := Info(o).Lines()
	if err != nil || l.Empty() {
		return nil
	}
	return l
}

// Addr is an offset of an atom as debug information has it.
func Addr(a *object.Atom, off uint64) dwarf.Addr {
	return dwarf.Addr{Section: a.Section, Offset: a.Offset + off}
}

// CallLines returns the lines of the calls that the code at an offset of the
// atom was inlined by, the innermost first: what __LINE__ is when it is an
// argument of an inline function.
func CallLines(o *object.Object, a *object.Atom, off uint64) []int {
	calls, _ := Info(o).CallsAt(Addr(a, off)) // what was read still proves something
	var lines []int
	for _, c := range calls {
		if c.Line > 0 {
			lines = append(lines, c.Line)
		}
	}
	return lines
}
