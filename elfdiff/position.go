package elfdiff

import (
	"fmt"
	"path"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/internal/debug"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/dwarf"
)

// Position is a place in the source of an object.
type Position struct {
	File string // as DWARF names it, made absolute by the folder of the compilation
	Dir  string // the folder of the compilation (DW_AT_comp_dir); "" when not known
	Line int    // from 1
}

// String returns the name of the file below the folder of the compilation,
// and the line.
func (p Position) String() string { return fmt.Sprintf("%s:%d", p.Name(), p.Line) }

// Name returns the path of the file from the folder of the compilation, where
// it is below that, so that it is the same for builds in different places.
func (p Position) Name() string {
	if p.Dir != "" {
		if name, ok := strings.CutPrefix(p.File, strings.TrimSuffix(p.Dir, "/")+"/"); ok {
			return name
		}
	}
	return p.File
}

// Positions finds the source of an object's code by its DWARF line table
// (DWARF 5, section 6.2). It is safe for concurrent use.
type Positions struct {
	o     *object.Object
	lines *dwarf.Lines
}

// PositionsOf reads the object's line table. It fails when there is none, or
// when it is damaged.
func PositionsOf(o *object.Object) (*Positions, error) {
	if !given(o) {
		return nil, errNoObject
	}
	l, err := debug.Info(o).Lines()
	if err == nil && l.Empty() {
		err = dwarf.ErrNone
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Name(), err)
	}
	return &Positions{o, l}, nil
}

// At returns the position of the instruction at offset off, in bytes, of a
// function: for inlined code that in the inlined function. It is false for code
// that no line is recorded for.
func (p *Positions) At(a *object.Atom, off uint64) (Position, bool) {
	if p.lines == nil || a == nil {
		return Position{}, false
	}
	l, ok := p.lines.At(debug.Addr(a, off))
	if !ok {
		return Position{}, false
	}
	return position(l)
}

func position(l dwarf.Line) (Position, bool) {
	name := l.File()
	if l.Line == 0 || name == "" {
		return Position{}, false
	}
	dir := l.Dir()
	if !path.IsAbs(name) {
		name = path.Join(dir, name)
	}
	return Position{File: path.Clean(name), Dir: dir, Line: l.Line}, true
}

// Own reports whether the code at offset off of a function was compiled from
// its own lines, and not from those of a function that was inlined into it.
func (p *Positions) Own(a *object.Atom, off uint64) bool {
	if p.lines == nil || a == nil {
		return false
	}
	return len(debug.CallLines(p.o, a, off)) == 0
}

// Rows returns the positions that a function's code was made from, in the order
// of its addresses, each once as often as it follows another.
func (p *Positions) Rows(a *object.Atom) []Position {
	if p.lines == nil || a == nil {
		return nil
	}
	var out []Position
	for _, l := range p.lines.Rows(dwarf.Range{Addr: debug.Addr(a, 0), Size: a.Size}) {
		if pos, ok := position(l); ok && (len(out) == 0 || out[len(out)-1] != pos) {
			out = append(out, pos)
		}
	}
	return out
}
