// Package cli holds what the examples share: exit statuses, colour, the width
// of the terminal, and JSON.
package cli

import (
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

// A Style is a look of text on a terminal, as SGR parameters (ECMA-48, section
// 8.3.117).
type Style string

// The styles.
const (
	Bold   Style = "1"
	Dim    Style = "2"
	Red    Style = "31"
	Green  Style = "32"
	Yellow Style = "33"
	Cyan   Style = "36"
)

// Terminal says what an output can show.
type Terminal struct {
	Color bool
	Width int // columns

	key string // tells the colours of an Output from those that others bring
}

// escape begins a sequence that a terminal obeys (ECMA-48, section 5.4).
const escape = "\x1b"

// Escape returns what begins the terminal's colours: an [Output] lets no other pass.
func (t Terminal) Escape() string { return escape + t.key }

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

// Paint returns the text, which is one line, in a style, or without one where there
// is no colour. Line feeds in it are made visible, since they may be in a name.
func (t Terminal) Paint(s Style, text string) string {
	text = visible.Text(text)
	if !t.Color || text == "" {
		return text
	}
	return t.Escape() + "[" + string(s) + "m" + text + t.Escape() + "[0m"
}

// WriteJSON writes v as indented JSON, without escaping what only HTML needs
// escaped.
func WriteJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
