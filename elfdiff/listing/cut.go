package listing

import (
	"fmt"

	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/object"
)

const (
	// maxListed bounds the lines of one side of a listing. The largest functions
	// that people write have a few thousand instructions.
	maxListed = 1 << 14
	// maxBefore is how many lines before the first difference are shown where not
	// all are.
	maxBefore = 1 << 10
)

// codeStart returns the offset of the instruction that the listing of a function
// begins with: 0, but for functions that have too many.
func (l *lister) codeStart(o *object.Object, a *object.Atom, side int) uint64 {
	if len(a.Bytes) <= maxListed {
		return 0
	}
	var starts []uint64 // of the instructions before the first difference, the last ones
	n, at := 0, 0
	for k := (insn.Cursor{Object: o, Atom: a}); ; k.Advance() {
		if ok, err := k.Load(); !ok || err != nil {
			break
		}
		n++
		if k.Off > l.first[side] {
			continue
		}
		if len(starts) < maxBefore {
			starts = append(starts, k.Off)
			continue
		}
		starts[at%maxBefore] = k.Off
		at++
	}
	if n <= maxListed || len(starts) == 0 {
		return 0
	}
	return starts[at%maxBefore%len(starts)]
}

// dataStart is codeStart for data: a line has 16 bytes at most.
func (l *lister) dataStart(a *object.Atom, side int) uint64 {
	if len(a.Bytes) <= maxListed || l.first[side] <= maxBefore {
		return 0
	}
	return (l.first[side] - maxBefore) &^ (bytesPerLine - 1)
}

// withCuts adds the notes about what is left out.
func (l *lister) withCuts(lines []Line, atoms [2]*object.Atom) []Line {
	var before, behind Line
	cut := [2]bool{}
	for s, a := range atoms {
		if a == nil || a.NoBits || len(l.side[s]) == 0 {
			continue
		}
		first, last := &l.side[s][0], &l.side[s][len(l.side[s])-1]
		cut[0] = before.leaveOut(s, 0, first.off) || cut[0]
		cut[1] = behind.leaveOut(s, last.off+last.size, uint64(len(a.Bytes))) || cut[1]
	}
	if cut[0] {
		lines = append([]Line{before}, lines...)
	}
	if cut[1] {
		lines = append(lines, behind)
	}
	return lines
}

// leaveOut makes a line a note that the bytes of one side from off to end are left
// out, and reports whether there are any.
func (n *Line) leaveOut(side int, off, end uint64) bool {
	n.Mark = Cut
	n.PreSide.Branch, n.PostSide.Branch = -1, -1
	if off >= end {
		return false
	}
	text := fmt.Sprintf("... %d bytes are not listed", end-off)
	if side == 0 {
		n.Pre, n.PreOffset = text, off
	} else {
		n.Post, n.PostOffset = text, off
	}
	return true
}
