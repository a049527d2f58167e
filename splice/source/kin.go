package source

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/splice/source/patch"
)

// A touched is a function or a macro that a patch changes.
type touched struct {
	name string
	// file is the source whose own it is, "" for what other files can name.
	file string
}

// kin are the functions and macros that a patch changes, by hunks: what their headings, and lines
// that begin a definition, say. That a name is too many leaves out too much, never too little.
func kin(p *patch.Patch) []touched {
	found := map[touched]bool{}
	for i := range p.Files {
		f := &p.Files[i]
		if ext := path.Ext(f.Path()); ext != ".c" && ext != ".h" && ext != ".S" && ext != ".inc" {
			continue
		}
		for k := range f.Hunks {
			kinOf(f, &f.Hunks[k], found)
		}
	}
	return slices.SortedFunc(maps.Keys(found), func(a, b touched) int { return strings.Compare(a.name+" "+a.file, b.name+" "+b.file) })
}

func kinOf(f *patch.File, h *patch.Hunk, found map[touched]bool) {
	in := heads(f, h.Section)
	for _, l := range h.Lines {
		ends := strings.HasPrefix(l.Text, "}")
		if begun := heads(f, l.Text); len(begun) > 0 {
			in = begun
		}
		if l.Op != patch.Keep {
			for _, t := range in {
				found[t] = true
			}
		}
		if ends {
			in = nil
		}
	}
}

// define is how a macro begins.
var define = regexp.MustCompile(`^\s*#\s*define\s+([A-Za-z_]\w*)`)

// heads are the names that a line begins the definition of.
func heads(f *patch.File, line string) []touched {
	if m := define.FindStringSubmatch(line); m != nil {
		return []touched{{name: m[1]}}
	}
	if line == "" || !isWord(line[0]) || strings.HasSuffix(strings.TrimSpace(line), ";") {
		return nil
	}
	names := called(line)
	if len(names) == 0 {
		return nil
	}
	own := ""
	if path.Ext(f.Path()) == ".c" && slices.Contains(strings.Fields(line), "static") {
		own = f.Path()
	}
	var out []touched
	for _, name := range names {
		out = append(out, touched{name, own})
	}
	return out
}

// called are the names in front of brackets in a line, outside of others, but for those of attributes
// beside them; for a macro that makes a function (SYSCALL_DEFINE2) what it makes it of.
func called(line string) []string {
	var names []string
	depth := 0
	for at, c := range line {
		switch c {
		case '(':
			if depth++; depth > 1 {
				continue
			}
			front := strings.TrimRight(line[:at], " \t")
			i := len(front)
			for i > 0 && isWord(front[i-1]) {
				i--
			}
			name := front[i:]
			if name != "" && strings.ToUpper(name) == name && strings.ToLower(name) != name {
				name = cWord.FindString(line[at:])
			}
			if name != "" && !slices.Contains(cWords, name) {
				names = append(names, name)
			}
		case ')':
			depth--
		}
	}
	if plain := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return strings.HasPrefix(n, "__") }); len(plain) > 0 {
		return plain
	}
	return names
}

func isWord(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// follow leaves out what may need a patch that is left out: a later patch, or another part of the same,
// that has a function or a macro which that one changes, in lines that change or beside them. What a
// patch moves from one function into another is in both then, or in neither. It reports whether there is
// any.
func (s *selection) follow() bool {
	if s.trial {
		return false
	}
	if s.words == nil {
		s.words = make([]patchWords, len(s.patches))
		for i, p := range s.patches {
			s.words[i] = wordsIn(p)
		}
		s.followed = make([]bool, len(s.patches))
	}
	any := false
	for i := 0; i < len(s.patches); i++ {
		if !s.out[i] || s.followed[i] {
			continue
		}
		s.followed[i] = true
		names := kin(s.patches[i])
		least := len(s.patches)
		for j := range s.patches {
			if s.out[j] || j < i && !sameWhole(s.patches[i], s.patches[j]) {
				continue
			}
			if name := s.has(j, names); name != "" {
				s.leaveOut(j, []string{fmt.Sprintf("it has %s, which %s changes, and that is left out", name, s.patches[i].Name)})
				s.needs[j] = append(s.needs[j], s.patches[i].Name)
				any, least = true, min(least, j)
			}
		}
		i = min(i, least-1)
	}
	return any
}

// sameWhole reports whether two patches are parts of one.
func sameWhole(a, b *patch.Patch) bool { return a.Of != "" && a.Of == b.Of }

// has is the first of some names that a patch has, "" for none. What is a file's own is not known
// elsewhere.
func (s *selection) has(j int, names []touched) string {
	for _, t := range names {
		if t.file != "" && !slices.Contains(s.patches[j].Paths(), t.file) {
			continue
		}
		if s.words[j][changed][t.name] || s.words[j][beside][t.name] {
			return t.name
		}
	}
	return ""
}
