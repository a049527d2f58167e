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

// A touched is a function, a macro, an enumerator or a member that a patch changes.
type touched struct {
	name string
	// file is the source whose own it is, "" for what other files can name.
	file string
	// of is the file with the structure that a member is of, "" for others. Members are named behind a dot or
	// an arrow.
	of string
}

// kin are the functions and macros that a patch changes, by hunks: what their headings, the source in front
// of them, and lines that begin a definition say. That a name is too many leaves out too much, never too little.
func (s *surroundings) kin(p *patch.Patch) []touched {
	found := map[touched]bool{}
	for i := range p.Files {
		f := &p.Files[i]
		if ext := path.Ext(f.Path()); ext != ".c" && ext != ".h" && ext != ".S" && ext != ".inc" {
			continue
		}
		for k := range f.Hunks {
			w := &walk{file: f, found: found, old: map[touched]string{}, now: map[touched]string{}}
			w.hunk(&f.Hunks[k], s.around(f, &f.Hunks[k]))
		}
	}
	return slices.SortedFunc(maps.Keys(found), func(a, b touched) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
}

// A walk goes through the lines of a hunk, in definitions.
type walk struct {
	file  *patch.File
	found map[touched]bool
	in    []touched
	of    string // "struct" or "enum" within the definition of a type
	last  string // the line before
	// old and now are the lines that declare members and enumerators, which are removed and added.
	old, now map[touched]string
}

func (w *walk) hunk(h *patch.Hunk, around []string) {
	w.begin(h.Section)
	if len(around) > 0 {
		in := w.in
		w.last, w.of, w.in = around[0], "", nil
		w.begin(around[1])
		for _, t := range in {
			if !slices.ContainsFunc(w.in, func(x touched) bool { return x.name == t.name }) {
				w.in = append(w.in, t)
			}
		}
	}
	w.last = ""
	for _, l := range h.Lines {
		w.begin(l.Text)
		if l.Op != patch.Keep {
			for _, t := range w.in {
				w.found[t] = true
			}
			w.declared(l)
		}
		if w.last = l.Text; strings.HasPrefix(l.Text, "}") {
			w.in, w.of = nil, ""
		}
	}
	for t, text := range w.old {
		if now, ok := w.now[t]; ok && now != text && t.name != "" {
			w.found[t] = true
		}
	}
}

// begin notes which definition a line begins.
func (w *walk) begin(line string) {
	if begun := heads(w.file, line, w.last); len(begun) > 0 {
		w.in, w.of = begun, ""
	} else if m := typeForm.FindStringSubmatch(line); m != nil {
		w.in, w.of = nil, m[1]
	}
}

// declared notes the members or enumerators that a line declares. What is new can't be named without it, so
// that those matter which are declared in another way.
func (w *walk) declared(l patch.Line) {
	to := w.now
	if l.Op == patch.Remove {
		to = w.old
	}
	switch w.of {
	case "enum":
		to[touched{name: cWord.FindString(l.Text)}] = strings.Join(strings.Fields(l.Text), " ")
	case "struct", "union":
		for _, m := range memberForm.FindAllStringSubmatch(l.Text, -1) {
			to[touched{name: m[1], file: w.own(), of: w.file.Path()}] = strings.Join(strings.Fields(l.Text), " ")
		}
	}
}

// own is the file itself where it is a source, of whose types others do not know.
func (w *walk) own() string {
	if path.Ext(w.file.Path()) == ".c" {
		return w.file.Path()
	}
	return ""
}

var (
	typeForm   = regexp.MustCompile(`^(?:typedef\s+|static\s+|const\s+)*(struct|union|enum)\b[^;()=]*(?:\{|\w)\s*$`)
	memberForm = regexp.MustCompile(`([A-Za-z_]\w*)\)?(?:\s*\[[^\]]*\])*(?:\s*:\s*\w+)?(?:\([^;]*\))?\s*[;,]`)
	selected   = regexp.MustCompile(`(?:\.|->)\s*([A-Za-z_]\w*)`)
)

// define is how a macro begins.
var define = regexp.MustCompile(`^\s*#\s*define\s+([A-Za-z_]\w*)`)

// heads are the names that a line begins the definition of; before is the line in front of it, which may
// have the beginning of the declaration.
func heads(f *patch.File, line, before string) []touched {
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
	if path.Ext(f.Path()) == ".c" && (slices.Contains(strings.Fields(line), "static") || strings.HasPrefix(before, "static ") && !strings.ContainsAny(before, ";({})")) {
		own = f.Path()
	}
	var out []touched
	for _, name := range names {
		out = append(out, touched{name: name, file: own})
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
// that has a function or a macro which that one changes, in the definitions that it changes or beside them, or
// a member of a structure, in lines that change. A part of the same patch is left out too when it changes a
// function of a source that the one which is left out has beside lines that change: what a patch moves from one
// function into another is in both then, or in neither. It reports whether there is any.
func (s *selection) follow() bool {
	if s.trial {
		return false
	}
	if s.words == nil {
		s.words = make([]patchWords, len(s.patches))
		for i, p := range s.patches {
			s.words[i] = wordsIn(p)
			s.around.add(p, s.words[i][within])
		}
		s.followed, s.kins = make([]bool, len(s.patches)), make([]*[]touched, len(s.patches))
	}
	any := false
	for i := 0; i < len(s.patches); i++ {
		if !s.out[i] || s.followed[i] {
			continue
		}
		s.followed[i] = true
		least := len(s.patches)
		for j := range s.patches {
			if s.out[j] || j < i && !sameWhole(s.patches[i], s.patches[j]) {
				continue
			}
			name, whose := s.has(j, s.kin(i), true), i
			if name == "" && sameWhole(s.patches[i], s.patches[j]) && hasSource(s.patches[j]) {
				name, whose = s.has(i, s.kin(j), false), j
			}
			if name == "" {
				continue
			}
			why := fmt.Sprintf("it has %s, which %s changes, and that is left out", name, s.patches[i].Name)
			if whose == j {
				why = fmt.Sprintf("it changes %s, which %s has, and that is left out", name, s.patches[i].Name)
			}
			s.leaveOut(j, []string{why})
			s.needs[j] = append(s.needs[j], s.patches[i].Name)
			any, least = true, min(least, j)
		}
		i = min(i, least-1)
	}
	return any
}

// kin is [surroundings.kin] of a patch, found once.
func (s *selection) kin(i int) []touched {
	if s.kins[i] == nil {
		list := s.around.kin(s.patches[i])
		s.kins[i] = &list
	}
	return *s.kins[i]
}

// hasSource reports whether a patch changes a source, not headers alone.
func hasSource(p *patch.Patch) bool {
	return slices.ContainsFunc(p.Paths(), func(name string) bool { return path.Ext(name) == ".c" || path.Ext(name) == ".S" })
}

// sameWhole reports whether two patches are parts of one.
func sameWhole(a, b *patch.Patch) bool { return a.Of != "" && a.Of == b.Of }

// has is the first of some names that a patch has, "" for none, anywhere in the definitions that it changes or
// beside lines that change. What is a file's own is not known elsewhere.
func (s *selection) has(j int, names []touched, anywhere bool) string {
	w := &s.words[j]
	for _, t := range names {
		switch {
		case t.file != "" && !slices.Contains(s.patches[j].Paths(), t.file):
		case t.of != "" && anywhere && w[members][t.name] && s.includes(j, t.of),
			t.of == "" && (w[changed][t.name] || w[beside][t.name] || anywhere && w[within][t.name]):
			return t.name
		}
	}
	return ""
}

// includes reports whether an object of a file that a patch changes may have another file.
func (s *selection) includes(j int, file string) bool {
	return slices.ContainsFunc(s.patches[j].Paths(), func(name string) bool {
		has, compiled := s.made[name]
		return name == file || !compiled || has[file]
	})
}
