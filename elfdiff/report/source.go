package report

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/align"
	"github.com/gosplice/gosplice/internal/files"
)

// sources finds the text of what pre and post were compiled from.
type sources struct {
	dirs  [2]string // searched first; "" for none
	files [2]map[string]*sourceFile
	diffs map[[2]string]*sourceDiff
	// sides are the differences that each file of pre and post is in.
	sides          [2]map[string]*sourceDiff
	found, missing int
}

// sourceFile is a file as lines.
type sourceFile struct {
	path  string
	lines []string
}

// Bounds of the sources that are read.
const (
	maxSourceFile  = 8 << 20
	maxSourceFiles = 4000
)

func newSources(pre, post string) *sources {
	s := &sources{dirs: [2]string{pre, post}, diffs: map[[2]string]*sourceDiff{}}
	for i := range s.files {
		s.files[i], s.sides[i] = map[string]*sourceFile{}, map[string]*sourceDiff{}
	}
	return s
}

// file returns the text of a file, or nil where it is not found.
func (s *sources) file(side int, p elfdiff.Position) *sourceFile {
	f, ok := s.files[side][p.File]
	if ok {
		return f
	}
	if len(s.files[side]) < maxSourceFiles {
		for _, name := range s.candidates(side, p) {
			if f = readSource(name); f != nil {
				break
			}
		}
	}
	if f != nil {
		s.found++
	} else {
		s.missing++
	}
	s.files[side][p.File] = f
	return f
}

// sourceNames are how the names of source files end. The name stands in an
// object that may be hostile: nothing else is read because an object says so.
var sourceNames = map[string]bool{
	".c": true, ".h": true, ".s": true, ".cc": true, ".cpp": true, ".cxx": true, ".c++": true,
	".hh": true, ".hpp": true, ".hxx": true, ".inc": true, ".inl": true, ".def": true, ".rs": true, ".y": true, ".l": true,
}

// candidates lists where a file may be: below the folder that the user named,
// by its path in the tree or the end of that, and where DWARF says it is.
func (s *sources) candidates(side int, p elfdiff.Position) []string {
	if !sourceNames[strings.ToLower(filepath.Ext(p.File))] {
		return nil
	}
	var out []string
	if dir := s.dirs[side]; dir != "" {
		name := p.Name()
		for name != "" {
			name = strings.TrimLeft(name, "/")
			if filepath.IsLocal(name) {
				out = append(out, filepath.Join(dir, name))
			}
			_, name, _ = strings.Cut(name, "/")
		}
	}
	if filepath.IsAbs(p.File) {
		out = append(out, p.File)
	}
	return out
}

func readSource(name string) *sourceFile {
	if st, err := os.Stat(name); err != nil || !st.Mode().IsRegular() {
		return nil
	}
	f, err := files.Open(name)
	if err != nil {
		return nil
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSourceFile+1))
	if err != nil || len(b) > maxSourceFile {
		return nil
	}
	return &sourceFile{path: name, lines: strings.Split(string(b), "\n")}
}

// line returns the text of a line, numbered from 1.
func (f *sourceFile) line(n int) (string, bool) {
	if f == nil || n < 1 || n > len(f.lines) {
		return "", false
	}
	return f.lines[n-1], true
}

// sourceDiff aligns the lines of a file in pre and in post.
type sourceDiff struct {
	pre, post *sourceFile
	// match holds for each line of pre the line of post, from 0, or -1; other
	// the reverse.
	match, other []int
}

// diff compares a file that both objects name; nil where a text is missing.
func (s *sources) diff(p, q elfdiff.Position) *sourceDiff {
	key := [2]string{p.File, q.File}
	if d, ok := s.diffs[key]; ok {
		return d
	}
	s.diffs[key] = nil
	a, b := s.file(0, p), s.file(1, q)
	if a == nil || b == nil {
		return nil
	}
	d := &sourceDiff{
		pre: a, post: b,
		match: slices.Repeat([]int{-1}, len(a.lines)), other: slices.Repeat([]int{-1}, len(b.lines)),
	}
	ids := map[string]int32{}
	align.Sequences(lineIDs(ids, a.lines), lineIDs(ids, b.lines), func(i, j int) { d.match[i], d.other[j] = j, i })
	s.diffs[key], s.sides[0][p.File], s.sides[1][q.File] = d, d, d
	return d
}

// changed reports whether a line is known to be in one of the texts only.
func (s *sources) changed(side int, p elfdiff.Position) bool {
	d := s.sides[side][p.File]
	if d == nil {
		return false
	}
	match := [2][]int{d.match, d.other}[side]
	return p.Line <= len(match) && match[p.Line-1] < 0
}

func lineIDs(ids map[string]int32, lines []string) []int32 {
	out := make([]int32, len(lines))
	for i, l := range lines {
		id, ok := ids[l]
		if !ok {
			id = int32(len(ids))
			ids[l] = id
		}
		out[i] = id
	}
	return out
}

// span is a range of lines on both sides, half-open, from 0.
type span struct{ a0, a1, b0, b1 int }

// hunks lists the ranges that differ.
func (d *sourceDiff) hunks() []span {
	var out []span
	for i, j := 0, 0; i < len(d.match) || j < len(d.other); {
		if i < len(d.match) && d.match[i] == j {
			i, j = i+1, j+1
			continue
		}
		h := span{i, i, j, j}
		for h.a1 < len(d.match) && d.match[h.a1] < 0 {
			h.a1++
		}
		for h.b1 < len(d.other) && d.other[h.b1] < 0 {
			h.b1++
		}
		out = append(out, h)
		i, j = h.a1, h.b1
	}
	return out
}

// reach are the lines of one file that a function was made from.
type reach struct {
	pos    elfdiff.Position
	lines  []int // sorted, from 1
	lo, hi int   // of its own body; 0 in files that only lend it code
}

func (r *reach) touches(lo, hi int) bool { // half-open, from 0
	if r == nil || lo == hi {
		return false
	}
	if r.hi > 0 && lo < r.hi && hi >= r.lo {
		return true
	}
	i, _ := slices.BinarySearch(r.lines, lo+1)
	return i < len(r.lines) && r.lines[i] <= hi
}

// reachOf lists the files that a function's code came from, its own first.
func reachOf(p *elfdiff.Positions, a *object.Atom, offsets []uint64) []*reach {
	rows := p.Rows(a)
	if len(rows) == 0 {
		return nil
	}
	own := &reach{pos: rows[0], lo: rows[0].Line, hi: rows[0].Line}
	out, by := []*reach{own}, map[string]*reach{own.pos.File: own}
	for _, pos := range rows {
		r := by[pos.File]
		if r == nil {
			r = &reach{pos: pos}
			by[pos.File] = r
			out = append(out, r)
		}
		r.lines = append(r.lines, pos.Line)
	}
	for _, off := range offsets {
		if pos, ok := p.At(a, off); ok && pos.File == own.pos.File && pos.Line > own.hi && p.Own(a, off) {
			own.hi = pos.Line
		}
	}
	for _, r := range out {
		slices.Sort(r.lines)
		r.lines = slices.Compact(r.lines)
	}
	return out
}

// macroCall finds what may define a function without its name: SYSCALL_DEFINE3(
var macroCall = regexp.MustCompile(`\b[A-Z][A-Z0-9_]{2,}\w*\(`)

// begins reports whether a function can begin at a line of the text: its name is
// near, or a macro that may make it. Otherwise the text is likely another
// version than the one that was compiled.
func (f *sourceFile) begins(name string, line int) bool {
	if line > len(f.lines) {
		return false
	}
	name, suffix, _ := strings.Cut(name, ".")
	if strings.HasPrefix(suffix, "cold") {
		return true // it begins in the middle
	}
	near := strings.Join(f.lines[max(line-1-maxHead, 0):min(line+1, len(f.lines))], "\n")
	return strings.Contains(near, name) || macroCall.MatchString(near)
}
