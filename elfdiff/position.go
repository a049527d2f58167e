package elfdiff

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
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
type Positions struct{ tab *lineTable }

// Positions reads the object's line table. It fails when there is none, or
// when it is damaged.
func (o *Object) Positions() (*Positions, error) {
	t, err := readLines(o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.name, err)
	}
	return &Positions{t}, nil
}

// At returns the position of the instruction at offset off, in bytes, of a
// function. It is false for code that no line is recorded for.
func (p *Positions) At(a *Atom, off uint64) (Position, bool) {
	r, ok := p.tab.at(a, off)
	if !ok || r.line <= 0 || r.path == "" {
		return Position{}, false
	}
	return p.tab.position(&r), true
}

// Own reports whether the code at offset off of a function was compiled from
// its own lines, and not from those of a function that was inlined into it.
func (p *Positions) Own(a *Atom, off uint64) bool { return len(p.tab.callLines(a, off)) == 0 }

// Rows returns the positions that a function's code was made from, in the order
// of its addresses, each once as often as it follows another.
func (p *Positions) Rows(a *Atom) []Position {
	lo := p.tab.base[a.Section] + a.Offset
	i, _ := slices.BinarySearchFunc(p.tab.rows, lo, func(r lineRow, addr uint64) int { return cmp.Compare(r.addr, addr) })
	var out []Position
	for ; i < len(p.tab.rows) && p.tab.rows[i].addr < lo+a.Size; i++ {
		r := &p.tab.rows[i]
		if r.end || r.line <= 0 || r.path == "" {
			continue
		}
		if pos := p.tab.position(r); len(out) == 0 || out[len(out)-1] != pos {
			out = append(out, pos)
		}
	}
	return out
}

func (t *lineTable) position(r *lineRow) Position {
	return Position{File: path.Clean(r.path), Dir: t.dirs[r.unit], Line: r.line}
}
