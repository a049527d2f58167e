package debug

import "github.com/gosplice/gosplice/elfdiff/object"

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
