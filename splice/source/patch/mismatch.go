package patch

import (
	"fmt"
	"strings"

	"github.com/gosplice/gosplice/internal/align"
)

// maxDiffers is how many lines that differ are told.
const maxDiffers = 8

// mismatch says what is different where a hunk should be.
func (img *image) mismatch(h *Hunk, number int) *ApplyError {
	e := &ApplyError{Code: CodeOtherVersion, Hunk: number, PatchLine: h.Line}
	old := h.side(Add)
	at := img.nearest(old, h.NewLine-1)
	e.Line = min(at+1, len(img.lines))
	differs := img.differences(old, at)
	e.Differs = differs[:min(len(differs), maxDiffers)]
	switch {
	case len(img.lines) == 0:
		e.What = fmt.Sprintf("hunk %d: the file is empty", number)
	case len(old) == 0:
		e.What = fmt.Sprintf("hunk %d: it has no context that says where it belongs (git diff -U0), and is not for the end of the file", number)
	case len(differs) == 0:
		e.What = fmt.Sprintf("hunk %d: its lines are at line %d, but can't be meant there: %s", number, e.Line, img.whyNot(h, at, len(old)))
	case onlySpace(differs):
		e.What = fmt.Sprintf("hunk %d: only white space differs, from line %d on: a mail program or an editor changed the patch", number, differs[0].Line)
	case len(differs)*2 > len(old):
		e.What = fmt.Sprintf("hunk %d: its lines are not in the file: most differ, at line %d too", number, e.Line)
	default:
		e.What = fmt.Sprintf("hunk %d, near line %d: %s, the first at line %d", number, e.Line, count(len(differs), "line differs", "lines differ"), differs[0].Line)
	}
	return e
}

// whyNot says why a hunk does not apply where all of its n old lines are.
func (img *image) whyNot(h *Hunk, at, n int) string {
	_, trailing := h.context()
	switch {
	case h.OldLine <= 1 && at > 0:
		return "it says that the file begins with them"
	case trailing == 0 && at+n < len(img.lines):
		return "without context behind them it is for the end of the file, and the file goes on"
	}
	return "another hunk is there"
}

// onlySpace reports whether lines differ in white space only.
func onlySpace(differs []Difference) bool {
	for _, d := range differs {
		if !d.Space {
			return false
		}
	}
	return true
}

func count(n int, one, more string) string {
	if n == 1 {
		more = one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// maxSearch bounds the comparisons of the search for the nearest place.
const maxSearch = 1 << 26

// nearest returns where most of some lines are at their places, near want.
func (img *image) nearest(old []string, want int) int {
	last := max(len(img.lines)-len(old), 0)
	want = min(max(want, 0), last)
	at, same := want, img.same(old, want)
	for d, work := 1, maxSearch; (want-d >= 0 || want+d <= last) && work > 0; d++ {
		for _, i := range []int{want + d, want - d} {
			if i < 0 || i > last {
				continue
			}
			work -= len(old) + 1
			if n := img.same(old, i); n > same {
				at, same = i, n
			}
		}
	}
	return at
}

// same counts the lines that are at their places.
func (img *image) same(old []string, at int) (n int) {
	for i, text := range old {
		if at+i < len(img.lines) && img.lines[at+i].text == text {
			n++
		}
	}
	return n
}

// slack is how many lines more than a hunk has are looked at, before and behind it.
const slack = 8

// differences returns the lines that are others at a place, or a few lines from there.
func (img *image) differences(old []string, at int) []Difference {
	c := comparison{old: old, first: max(at-slack, 0)}
	for i := c.first; i < min(at+len(old)+slack, len(img.lines)); i++ {
		c.tree = append(c.tree, img.lines[i].text)
	}
	ids := map[string]int32{}
	i, j := 0, -1 // behind the last pair; j is not known before the first
	align.Sequences(numbered32(ids, c.old), numbered32(ids, c.tree), func(a, b int) {
		if j < 0 {
			j = max(b-a, 0)
		}
		c.gap(i, a, j, b)
		i, j = a+1, b+1
	})
	if j < 0 {
		j = at - c.first
	}
	c.gap(i, len(old), j, min(j+len(old)-i, len(c.tree)))
	return c.out
}

// numbered32 numbers lines by their text.
func numbered32(ids map[string]int32, lines []string) []int32 {
	out := make([]int32, len(lines))
	for i, l := range lines {
		if _, ok := ids[l]; !ok {
			ids[l] = int32(len(ids))
		}
		out[i] = ids[l]
	}
	return out
}

// A comparison holds lines of a hunk against a part of the file.
type comparison struct {
	old, tree []string
	first     int // the index of tree[0] in the file
	out       []Difference
}

// gap takes lines of both that have no equal ones, side by side.
func (c *comparison) gap(i, iEnd, j, jEnd int) {
	for ; i < iEnd || j < jEnd; i, j = i+1, j+1 {
		d := Difference{Line: c.first + min(j, jEnd) + 1}
		if i < iEnd {
			d.Want = c.old[i]
		}
		if j < jEnd {
			d.Have = c.tree[j]
		}
		d.Space = d.Want != "" && d.Have != "" && squash(d.Want) == squash(d.Have)
		c.out = append(c.out, d)
	}
}

// squash takes all white space out of a line.
func squash(s string) string { return strings.Join(strings.Fields(s), "") }
