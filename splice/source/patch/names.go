package patch

import (
	"io/fs"
	"strings"
	"time"
)

// A rawName is a name as a patch has it.
type rawName struct {
	text string // "" where there is none
	// bare names have no a/ or b/ in front: those of "rename from" and the like. One component
	// less is taken off.
	bare bool
}

const devNull = "/dev/null"

// strip sets the paths of a file from its names, with n components taken off.
func (f *File) strip(n int) *ReadError {
	for _, side := range []struct {
		raw  rawName
		path *string
	}{{f.oldRaw, &f.Old}, {f.newRaw, &f.New}} {
		if side.raw.text == "" {
			*side.path = ""
			continue
		}
		name, err := side.raw.strip(n)
		if err != nil {
			err.Line = f.Line
			return err
		}
		*side.path = name
	}
	if f.Kind == Binary { // what becomes of it, and of its name, is not looked at
		if f.New == "" {
			f.New = f.Old
		}
		f.Old = f.New
		return nil
	}
	if f.plain && f.Old != "" && f.New != "" {
		// The shorter one, where the other has something behind it: file.orig, file~.
		name := f.New
		if strings.HasPrefix(f.New, f.Old) {
			name = f.Old
		}
		f.Old, f.New = name, name
	}
	if f.Kind != Renamed && f.Kind != Copied && f.Old != "" && f.New != "" && f.Old != f.New {
		return &ReadError{Code: CodeFormat, File: f.New, Line: f.Line, What: "the two names are of different files: " + f.Old}
	}
	return nil
}

// strip takes n components off a name, and refuses what is no path inside of a tree.
func (r rawName) strip(n int) (string, *ReadError) {
	if r.bare {
		n = max(n-1, 0)
	}
	name := r.text
	for range n {
		_, rest, ok := strings.Cut(name, "/")
		if !ok {
			return "", &ReadError{Code: CodePath, File: r.text, What: "the name has too few components for what is to be taken off"}
		}
		name = rest
	}
	if !strings.HasPrefix(name, "/") {
		name = squeeze(name)
	}
	if why := unsafePath(name); why != "" {
		return "", &ReadError{Code: CodePath, File: r.text, What: why}
	}
	return name, nil
}

// squeeze makes one slash of several.
func squeeze(name string) string {
	for strings.Contains(name, "//") {
		name = strings.ReplaceAll(name, "//", "/")
	}
	return name
}

// unsafePath says why a path is not one of a file inside of a tree, "" when it is one.
func unsafePath(name string) string {
	switch {
	case name == "" || name == ".":
		return "there is no name of a file"
	case strings.HasPrefix(name, "/"):
		return "the name leaves the tree: it begins with a slash"
	case !fs.ValidPath(name):
		return "the name leaves the tree, or is no path"
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return "the name has control characters"
	case len(name) > maxPath:
		return "the name is longer than a path can be"
	}
	for part := range strings.SplitSeq(name, "/") {
		if strings.EqualFold(part, ".git") {
			return "the name leads into the repository of git"
		}
	}
	return ""
}

// maxPath is the longest path, in bytes: PATH_MAX of Linux.
const maxPath = 4096

// plainName reads the name of a line "--- " or "+++ " of a plain diff, without a time.
func plainName(s string) string {
	if strings.HasPrefix(s, `"`) {
		if name, _, ok := unquote(s); ok {
			return name
		}
	}
	name, _, tab := strings.Cut(s, "\t")
	name = strings.TrimRight(name, "\r\n")
	if !tab {
		name = withoutTime(name)
	}
	return name
}

// withoutTime takes "2006-01-02 15:04:05.9 +0100" off the end of a name.
func withoutTime(s string) string {
	words := strings.Split(s, " ")
	for _, n := range []int{3, 2} {
		if len(words) > n && isTime(strings.Join(words[len(words)-n:], " ")) {
			return strings.TrimRight(strings.Join(words[:len(words)-n], " "), " ")
		}
	}
	return s
}

// isTime reports whether s is a time as diff -u writes it, with or without a zone.
func isTime(s string) bool {
	_, err := time.Parse("2006-01-02 15:04:05.999999999", s)
	return err == nil || !parseTime(s).IsZero()
}

func parseTime(s string) time.Time {
	for _, layout := range []string{"2006-01-02 15:04:05.999999999 -0700", "2006-01-02 15:04:05.999999999 -07:00"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t
		}
	}
	return time.Time{}
}

// isEpoch reports whether the time behind a name is the beginning of 1970, by which diff -uN
// says that there is no file.
func isEpoch(s string) bool {
	_, stamp, ok := strings.Cut(s, "\t")
	t := parseTime(strings.TrimRight(stamp, "\r\n"))
	return ok && !t.IsZero() && t.Unix() == 0
}

// gitName reads the name of a line of a git header: quoted, or up to a tab or the end.
func gitName(s string) string {
	if strings.HasPrefix(s, `"`) {
		name, _, _ := unquote(s)
		return name
	}
	name, _, _ := strings.Cut(s, "\t")
	return strings.TrimRight(name, "\r\n")
}

// unquote reads a name as git quotes it, and returns what is behind it.
func unquote(s string) (name, rest string, ok bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; c {
		case '"':
			return b.String(), s[i+1:], true
		case '\n':
			return "", "", false
		case '\\':
			v, n := unescape(s[i+1:])
			if n == 0 {
				return "", "", false
			}
			b.WriteByte(v)
			i += n
		default:
			b.WriteByte(c)
		}
	}
	return "", "", false
}

// unescape reads what follows a backslash, and says how many bytes that are, 0 if it is nothing.
func unescape(s string) (byte, int) {
	if s == "" {
		return 0, 0
	}
	if i := strings.IndexByte(`abtnvfr"\`, s[0]); i >= 0 {
		return "\a\b\t\n\v\f\r\"\\"[i], 1
	}
	if len(s) < 3 || s[0] > '3' {
		return 0, 0
	}
	v := 0
	for _, c := range []byte(s[:3]) {
		if c < '0' || c > '7' {
			return 0, 0
		}
		v = v*8 + int(c-'0')
	}
	return byte(v), 3
}

// splitNames reads the two names of a line "diff --git ". They may have spaces: then they are
// what makes both sides the same but for the first component.
func splitNames(s string) (old, new string) {
	s = strings.TrimRight(s, "\r\n")
	if len(s) > 2*maxPath {
		return "", ""
	}
	if strings.HasPrefix(s, `"`) {
		first, rest, ok := unquote(s)
		if !ok {
			return "", ""
		}
		return first, gitName(strings.TrimLeft(rest, " "))
	}
	if first, second, ok := strings.Cut(s, ` "`); ok {
		name, _, _ := unquote(`"` + second)
		return first, name
	}
	for i := range len(s) {
		if s[i] == ' ' && sameFile(s[:i], s[i+1:]) {
			return s[:i], s[i+1:]
		}
	}
	return "", ""
}

// sameFile reports whether two names are the same, as they are or without the first component.
func sameFile(a, b string) bool {
	_, a1, ok1 := strings.Cut(a, "/")
	_, b1, ok2 := strings.Cut(b, "/")
	return a == b || ok1 && ok2 && a1 == b1
}
