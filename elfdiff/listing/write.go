package listing

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/visible"
)

// Options adjusts how a listing is written. The zero value writes all
// lines without colour, 100 columns wide.
type Options struct {
	Width int // columns of the output; 0 means 100, less than 40 is taken as 40
	// Context is how many equal lines are written around a difference. 0
	// means all lines; -1 means none.
	Context int
	Color   bool // mark differences with ANSI escapes as well as signs
	// Escape is what these escapes begin with; "" means ESC. Text that is not the
	// listing's own has none: control characters in names are made visible.
	Escape string
	Indent string
}

const (
	defaultWidth = 100
	minWidth     = 40
	offsetWidth  = 5
)

// The colours of the marks, as SGR parameters (ECMA-48, section 8.3.117).
var markColors = [...]string{Incidental: "2", Changed: "33", Pre: "31", Post: "32"}

// Write writes pre and post of a function or data object side by side, with the
// sign of each line's [Mark] between them:
//
//	0 mov    counter(%rip),%eax     |    0 mov    total(%rip),%eax
//	6 add    $0x1,%eax                   6 add    $0x1,%eax
//	                                >    9 call   log_it
func Write(w io.Writer, d *elfdiff.Diff, ch *verdict.Change, opt Options) error {
	return WriteLines(w, Of(d, ch), opt)
}

// WriteLines writes lines as [Write] does.
func WriteLines(w io.Writer, lines []Line, opt Options) error {
	width := opt.Width
	if width == 0 {
		width = defaultWidth
	}
	column := (max(width, minWidth) - utf8.RuneCountInString(opt.Indent) - 3) / 2
	out := bufio.NewWriter(w)
	shown := inContext(lines, opt.Context)
	for i := 0; i < len(lines); i++ {
		if !shown[i] {
			n := i
			for n < len(lines) && !shown[n] {
				n++
			}
			fmt.Fprintf(out, "%s%*s ... %d equal\n", opt.Indent, offsetWidth, "", n-i)
			i = n - 1
			continue
		}
		writeLine(out, &lines[i], column, opt)
	}
	return out.Flush()
}

// inContext says which lines are within the context of a difference.
func inContext(lines []Line, context int) []bool {
	shown := make([]bool, len(lines))
	next := 0 // lines before it are decided
	for i := range lines {
		if context == 0 || lines[i].Mark != Same {
			n := max(context, 0)
			for k := max(next, i-n); k <= min(i+n, len(lines)-1); k++ {
				shown[k] = true
			}
			next = max(next, min(i+n+1, len(lines)))
		}
	}
	return shown
}

func writeLine(w *bufio.Writer, l *Line, column int, opt Options) {
	left := half(l.Pre, l.PreOffset, l.Mark == Post || l.Mark == Cut && l.Pre == "", column)
	right := half(l.Post, l.PostOffset, l.Mark == Pre || l.Mark == Cut && l.Post == "", column)
	on, off := "", ""
	if opt.Color && int(l.Mark) < len(markColors) && markColors[l.Mark] != "" {
		esc := cmp.Or(opt.Escape, "\x1b")
		on, off = esc+"["+markColors[l.Mark]+"m", esc+"[0m"
	}
	pad := column - utf8.RuneCountInString(left)
	line := fmt.Sprintf("%s%s%*s %s %s", opt.Indent, left, pad, "", l.Mark, right)
	for len(line) > 0 && line[len(line)-1] == ' ' {
		line = line[:len(line)-1]
	}
	w.WriteString(on + line + off + "\n")
}

// half fits one half of a line into its column.
func half(text string, off uint64, empty bool, column int) string {
	if empty {
		return ""
	}
	s := fmt.Sprintf("%*x %s", offsetWidth, off, visible.Text(text))
	if utf8.RuneCountInString(s) <= column {
		return s
	}
	r := []rune(s)
	return string(r[:column-1]) + "…"
}
