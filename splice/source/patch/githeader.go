package patch

import (
	"io/fs"
	"strconv"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/finding"
)

// A gitFile is what the header of a file in a diff of git says.
type gitFile struct {
	diffOld, diffNew string // of the first line
	old, new         string // of the lines "--- " and "+++ "
	from, to         string // of renames and copies
	oldMode, newMode string
	kind             Kind
	clash            bool // it is two kinds at once
}

// gitLines are the lines that such a header can have.
var gitLines = []struct {
	prefix string
	read   func(*gitFile, string)
}{
	{"--- ", func(g *gitFile, s string) { g.old = gitName(s) }},
	{"+++ ", func(g *gitFile, s string) { g.new = gitName(s) }},
	{"old mode ", func(g *gitFile, s string) { g.oldMode = s }},
	{"new mode ", func(g *gitFile, s string) { g.newMode = s }},
	{"new file mode ", func(g *gitFile, s string) { g.is(Created); g.newMode = s }},
	{"deleted file mode ", func(g *gitFile, s string) { g.is(Deleted); g.oldMode = s }},
	{"rename from ", func(g *gitFile, s string) { g.is(Renamed); g.from = gitName(s) }},
	{"rename to ", func(g *gitFile, s string) { g.is(Renamed); g.to = gitName(s) }},
	{"rename old ", func(g *gitFile, s string) { g.is(Renamed); g.from = gitName(s) }},
	{"rename new ", func(g *gitFile, s string) { g.is(Renamed); g.to = gitName(s) }},
	{"copy from ", func(g *gitFile, s string) { g.is(Copied); g.from = gitName(s) }},
	{"copy to ", func(g *gitFile, s string) { g.is(Copied); g.to = gitName(s) }},
	{"similarity index ", func(*gitFile, string) {}},
	{"dissimilarity index ", func(*gitFile, string) {}},
	{"index ", func(g *gitFile, s string) {
		if _, mode, ok := strings.Cut(s, " "); ok && g.oldMode == "" {
			g.oldMode = mode
		}
	}},
}

func (g *gitFile) is(k Kind) {
	g.clash = g.clash || g.kind != "" && g.kind != k
	g.kind = k
}

// gitHeader reads the header that a file has in a diff of git.
func (p *parser) gitHeader(f *File) *ReadError {
	var g gitFile
	g.diffOld, g.diffNew = splitNames(strings.TrimPrefix(p.line(0), "diff --git "))
	p.at++
	for p.gitLine(&g) {
		p.at++
	}
	if why := g.names(f); why != "" {
		return p.fail(CodeFormat, f.Line, g.diffNew, "%s", why)
	}
	f.Kind = g.kind
	for _, m := range []struct {
		text string
		mode *fs.FileMode
	}{{g.oldMode, &f.OldMode}, {g.newMode, &f.NewMode}} {
		mode, code, why := parseMode(m.text)
		if why != "" {
			return p.fail(code, f.Line, f.rawPath(), "%s", why)
		}
		*m.mode = mode
	}
	return nil
}

// gitLine reads one line of a header, and reports whether it is one.
func (p *parser) gitLine(g *gitFile) bool {
	l := p.line(0)
	for _, row := range gitLines {
		if rest, ok := strings.CutPrefix(l, row.prefix); ok {
			row.read(g, strings.TrimRight(rest, "\r\n"))
			return true
		}
	}
	return false
}

// names sets the names of a file, or says what is wrong with them.
func (g *gitFile) names(f *File) string {
	if g.clash {
		return "the header says two things at once of what becomes of the file"
	}
	if g.kind == Renamed || g.kind == Copied {
		f.oldRaw, f.newRaw = rawName{g.from, true}, rawName{g.to, true}
		if g.from == "" || g.to == "" || !agrees(g.old, g.from) || !agrees(g.new, g.to) {
			return "the names of what is renamed or copied do not fit together"
		}
		return ""
	}
	old, new := g.diffOld, g.diffNew
	if g.old != "" || g.new != "" {
		old, new = g.old, g.new
	}
	if g.kind == Created && (g.old == "" || g.old == devNull) {
		old = ""
	}
	if g.kind == Deleted && (g.new == "" || g.new == devNull) {
		new = ""
	}
	f.oldRaw.text, f.newRaw.text = old, new
	if old == devNull || new == devNull || (old == "") != (g.kind == Created) || (new == "") != (g.kind == Deleted) {
		return "the names do not fit with what becomes of the file"
	}
	return ""
}

// agrees reports whether the name of a line "--- " is that of a line "rename from ".
func agrees(name, bare string) bool {
	return name == "" || name == bare || strings.HasSuffix(name, "/"+bare)
}

// parseMode reads a mode as git writes it, 100644: files of text that can be executed, or not.
func parseMode(s string) (fs.FileMode, finding.Code, string) {
	if s == "" {
		return 0, "", ""
	}
	mode, err := strconv.ParseUint(s, 8, 32)
	switch {
	case err != nil:
		return 0, CodeFormat, "there is no mode in the header"
	case mode&0o170000 == 0o120000:
		return 0, CodeType, "the patch changes a symbolic link"
	case mode&0o170000 == 0o160000:
		return 0, CodeType, "the patch changes a submodule"
	case mode&0o170000 != 0o100000:
		return 0, CodeType, "the patch changes something that is no file"
	case mode&0o100 != 0:
		return 0o755, "", ""
	}
	return 0o644, "", ""
}
