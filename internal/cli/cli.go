// Package cli holds what the examples share: flags and exit statuses, what an output
// can show, signals, and JSON.
package cli

import (
	"cmp"
	"encoding/json"
	"io"
	"os"
	"strconv"

	"golang.org/x/term"

	"github.com/gosplice/gosplice/internal/visible"
)

// ExitUsage is the exit status for a command line that makes no sense, EX_USAGE
// of sysexits(3).
const ExitUsage = 64

// The styles of text.
const (
	Bold   = visible.Bold
	Dim    = visible.Dim
	Red    = visible.Red
	Green  = visible.Green
	Yellow = visible.Yellow
	Cyan   = visible.Cyan
)

// Terminal says what an output can show.
type Terminal struct {
	Color bool
	Width int // columns

	pen visible.Pen
}

// Escape returns what begins the terminal's colours: an [Output] lets no other pass.
func (t Terminal) Escape() string { return cmp.Or(t.pen.Escape, visible.Esc) }

// Paint returns the text, which is one line, in a style, or without one where there
// is no colour.
func (t Terminal) Paint(s visible.Style, text string) string {
	return visible.Pen{Color: t.Color, Escape: t.Escape()}.Paint(s, text)
}

// DefaultWidth is that of an output that is no terminal.
const DefaultWidth = 120

// TerminalOf looks at an output. Colour needs a terminal, and a user who did
// not set NO_COLOR (no-color.org). COLUMNS overrides the width.
func TerminalOf(f *os.File) Terminal {
	t := Terminal{Width: DefaultWidth}
	if fd := int(f.Fd()); term.IsTerminal(fd) {
		t.Color = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
		if columns, _, err := term.GetSize(fd); err == nil && columns > 0 {
			t.Width = columns
		}
	}
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		t.Width = n
	}
	return t
}

// WriteReport writes a report as JSON or as text.
func WriteReport(w io.Writer, asJSON bool, r interface{ Text(io.Writer) error }) error {
	if asJSON {
		return WriteJSON(w, r)
	}
	return r.Text(w)
}

// WriteJSON writes v as indented JSON, without escaping what only HTML needs
// escaped.
func WriteJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
