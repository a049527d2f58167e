package patch

import (
	"bytes"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// Diff returns what the patch does in the form of git diff, with a/ and b/ in front of
// names, whatever form it was read in. [Read] reads it, but for the reverse of a patch that copies files.
func (p *Patch) Diff() []byte {
	var b bytes.Buffer
	for i := range p.Files {
		p.Files[i].format(&b)
	}
	return b.Bytes()
}

// format writes a file as git diff does.
func (f *File) format(b *bytes.Buffer) {
	old, new := f.Old, f.New
	if old == "" {
		old = new
	}
	if new == "" {
		new = old
	}
	fmt.Fprintf(b, "diff --git %s %s\n", quote("a/"+old), quote("b/"+new))
	f.formatKind(b)
	if f.Kind == Binary {
		b.WriteString(gitBinary + "\n")
	}
	if len(f.Hunks) == 0 {
		return
	}
	from, to := "a/"+f.Old, "b/"+f.New
	if f.Old == "" {
		from = devNull
	}
	if f.New == "" {
		to = devNull
	}
	fmt.Fprintf(b, "--- %s\n+++ %s\n", quote(from), quote(to))
	for i := range f.Hunks {
		f.Hunks[i].format(b)
	}
}

// formatKind writes the lines about names and modes.
func (f *File) formatKind(b *bytes.Buffer) {
	switch f.Kind {
	case Created:
		fmt.Fprintf(b, "new file mode 100%o\n", orPlain(f.NewMode))
		return
	case Deleted:
		fmt.Fprintf(b, "deleted file mode 100%o\n", orPlain(f.OldMode))
		if f.uncopied != "" {
			fmt.Fprintf(b, "uncopied from %s\n", quote(f.uncopied))
		}
		return
	}
	if f.NewMode != 0 {
		if f.OldMode != 0 {
			fmt.Fprintf(b, "old mode 100%o\n", f.OldMode)
		}
		fmt.Fprintf(b, "new mode 100%o\n", f.NewMode)
	}
	if f.Kind == Renamed || f.Kind == Copied {
		word := "rename"
		if f.Kind == Copied {
			word = "copy"
		}
		fmt.Fprintf(b, "%s from %s\n%s to %s\n", word, quote(f.Old), word, quote(f.New))
	}
}

func orPlain(m fs.FileMode) fs.FileMode {
	if m == 0 {
		return 0o644
	}
	return m
}

// format writes a hunk.
func (h *Hunk) format(b *bytes.Buffer) {
	fmt.Fprintf(b, "@@ -%s +%s @@", formatRange(h.OldLine, h.OldCount), formatRange(h.NewLine, h.NewCount))
	if h.Section != "" {
		b.WriteString(" " + h.Section)
	}
	b.WriteByte('\n')
	for _, l := range h.Lines {
		b.WriteByte(byte(l.Op))
		b.WriteString(l.Text)
		if !strings.HasSuffix(l.Text, "\n") {
			b.WriteString("\n\\ No newline at end of file\n")
		}
	}
}

func formatRange(line, count int) string {
	if count == 1 {
		return strconv.Itoa(line)
	}
	return strconv.Itoa(line) + "," + strconv.Itoa(count)
}

// quote writes a name as git does: in quotes where it has bytes that need them.
func quote(name string) string {
	plain := true
	var b strings.Builder
	for _, c := range []byte(name) {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
			plain = false
		case c < ' ' || c >= 0x7f:
			fmt.Fprintf(&b, `\%03o`, c)
			plain = false
		default:
			b.WriteByte(c)
		}
	}
	if plain {
		return name
	}
	return `"` + b.String() + `"`
}
