package patch

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// A generator makes files, edits of them, and patches.
type generator struct {
	*rand.Rand
	astray bool // hunks are at other lines than they say, now and then
}

// text is a file of a few different lines, so that hunks fit in several places, or of many.
func (g generator) text(most int) []string {
	kinds := []int{2, 4, 1000}[g.IntN(3)]
	lines := make([]string, g.IntN(most+1))
	for i := range lines {
		lines[i] = g.line(kinds)
	}
	if n := len(lines); n > 0 && lines[n-1] != "\n" && g.IntN(8) == 0 {
		lines[n-1] = strings.TrimSuffix(lines[n-1], "\n")
	}
	return lines
}

func (g generator) line(kinds int) string {
	switch n := g.IntN(kinds); {
	case n == 0:
		return "\n"
	case n == 1:
		return "\tx\r\n"
	default:
		return fmt.Sprintf("\tline %d;\n", n)
	}
}

// edit changes some places of a file.
func (g generator) edit(lines []string, places int) []string {
	lines = slices.Clone(lines)
	for range places {
		at := g.IntN(len(lines) + 1)
		end := min(at+g.IntN(3), len(lines))
		var put []string
		for range g.IntN(3) {
			put = append(put, g.line(6))
		}
		lines = slices.Replace(lines, at, end, put...)
	}
	for i := range lines { // what was the last line may not be it any more
		if i < len(lines)-1 && !strings.HasSuffix(lines[i], "\n") {
			lines[i] += "\n"
		}
	}
	return lines
}

// hunks makes a patch of a file: places that are changed, with some context or none, at the
// lines where they are, or at others.
func (g generator) hunks(lines []string) []Hunk {
	var out []Hunk
	drift := 0
	for at := 0; ; {
		from := at + g.IntN(8)
		count := g.IntN(3)
		lead, trail := min(g.IntN(4), from-at), g.IntN(4)
		if !g.astray {
			trail++ // without context at its end, it would be taken for one at the end of the file
		}
		if from+count > len(lines) {
			break
		}
		trail = min(trail, len(lines)-from-count)
		h := Hunk{OldLine: from - lead + 1, NewLine: from - lead + 1 + drift}
		h.keep(lines[from-lead : from])
		for _, l := range lines[from : from+count] {
			h.Lines = append(h.Lines, Line{Remove, l})
		}
		if count == 0 || g.IntN(3) > 0 {
			for range 1 + g.IntN(3) {
				h.Lines = append(h.Lines, Line{Add, g.line(6)})
			}
		}
		h.keep(lines[from+count : from+count+trail])
		h.count()
		drift += h.NewCount - h.OldCount
		if g.astray && g.IntN(6) == 0 {
			h.OldLine, h.NewLine = max(h.OldLine+g.IntN(9)-4, 1), max(h.NewLine+g.IntN(9)-4, 1)
		}
		if h.OldCount == 0 {
			h.OldLine--
		}
		if h.NewCount == 0 {
			h.NewLine--
		}
		at = from + count + trail
		if !g.astray {
			at++ // otherwise it would be one hunk
		}
		if h.endsOnce() && h.OldLine >= 0 && h.NewLine >= 0 {
			out = append(out, h)
		}
	}
	if g.astray && g.IntN(20) == 0 {
		slices.Reverse(out)
	}
	return out
}

func (h *Hunk) keep(lines []string) {
	for _, l := range lines {
		h.Lines = append(h.Lines, Line{Keep, l})
	}
}

func (h *Hunk) count() {
	h.OldCount, h.NewCount = len(h.side(Add)), len(h.side(Remove))
}

// TestRandomLikeGit applies random patches to random files, with git and with this package.
// Both accept or both refuse, and the files are the same. Where we are stricter, it has to be
// an insertion without any context, which git puts at the end of the file, or context without a
// line feed at the end, which git also finds in the middle of a file and joins with the next line. Or
// it is in the file already.
func TestRandomLikeGit(t *testing.T) {
	testenv.Need(t, "git")
	seed := uint64(20)
	g := generator{rand.New(rand.NewPCG(seed, 0)), true}
	n := 400
	switch {
	case testing.Short():
		n = 100
	case testenv.Asked(testenv.Long):
		n = 20000
	case testenv.Asked(testenv.More):
		n = 2000
	}
	accepted := 0
	for i := range n {
		old := g.text(40)
		hunks := g.hunks(old)
		if len(hunks) == 0 {
			continue
		}
		var b bytes.Buffer
		f := File{Old: "f", New: "f", Kind: Modified, Hunks: hunks}
		f.format(&b)
		base := files{"f": strings.Join(g.edit(old, g.IntN(3)), "")}
		want, out, ok := gitApply(t, base, b.String())
		got, err := ourApply(base, b.String())
		if ok && err == nil {
			accepted++
		}
		if ok == (err == nil) && (!ok || maps.Equal(got, want)) || loose(hunks) || errors.Is(err, CodeApplied) {
			continue
		}
		t.Fatalf("case %d: git %v %s%q\nwe %v\n%q\nbase %q\n%s", i, ok, out, want["f"], err, got["f"], base["f"], b.String())
	}
	t.Logf("%d of %d accepted", accepted, n)
	if accepted < n/5 {
		t.Errorf("%d of %d accepted", accepted, n)
	}
}

// loose reports whether git is known to put one of the hunks where it does not belong.
func loose(hunks []Hunk) bool {
	return slices.ContainsFunc(hunks, func(h Hunk) bool {
		last := h.Lines[len(h.Lines)-1]
		return h.OldCount == 0 || last.Op == Keep && !strings.HasSuffix(last.Text, "\n")
	})
}
