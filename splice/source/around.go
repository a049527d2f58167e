package source

import (
	"io/fs"
	"regexp"
	"strings"

	"github.com/gosplice/gosplice/splice/source/patch"
)

// surroundings tell in which definitions of a source hunks are: their headings may be missing, or be
// labels, and what a function calls may be far from the lines that change.
type surroundings struct {
	base fs.FS // nil: only what patches show is known
	// file is what was read last, and its lines.
	file  string
	lines []string
}

// of are the lines of a file as it is without patches, nil where it is not there.
func (s *surroundings) of(file string) []string {
	if s == nil || s.base == nil || file == "" {
		return nil
	}
	if s.file != file {
		s.file, s.lines = file, nil
		if text, err := fs.ReadFile(s.base, file); err == nil {
			s.lines = strings.Split(string(text), "\n")
		}
	}
	return s.lines
}

// label is a target of goto, which begins a line too.
var label = regexp.MustCompile(`^\w+\s*:([^:]|$)`)

// around are the lines of the definition in which a hunk begins, from the one before the first to the last; none
// where it begins outside of all.
func (s *surroundings) around(f *patch.File, h *patch.Hunk) []string {
	lines := s.of(f.Old)
	at := min(h.OldLine-1, len(lines))
	first := begins(lines, at)
	if first < 0 {
		return nil
	}
	end := at
	for macro := define.MatchString(lines[first]); end < len(lines); end++ {
		if macro && !strings.HasSuffix(lines[end], "\\") || !macro && strings.HasPrefix(lines[end], "}") {
			break
		}
	}
	lines = lines[:min(end+1, len(lines))]
	if first == 0 {
		return append([]string{""}, lines...)
	}
	return lines[first-1:]
}

// begins is the line in front of another on which the definition begins that goes on there, -1 for none.
func begins(lines []string, at int) int {
	continued := true
	for i := at - 1; i >= 0; i-- {
		l := lines[i]
		continued = continued && strings.HasSuffix(l, "\\")
		switch {
		case continued && define.MatchString(l):
			return i
		case strings.HasPrefix(l, "}"):
			return -1
		case l != "" && isWord(l[0]) && !label.MatchString(l) && !strings.HasSuffix(strings.TrimSpace(l), ";"):
			return i
		}
	}
	return -1
}

// add adds the names in all definitions that a patch changes.
func (s *surroundings) add(p *patch.Patch, to map[string]bool) {
	for i := range p.Files {
		f := &p.Files[i]
		for k := range f.Hunks {
			for _, l := range s.around(f, &f.Hunks[k]) {
				for _, w := range cWord.FindAllString(l, -1) {
					to[w] = true
				}
			}
		}
	}
}
