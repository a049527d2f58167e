package cli

import (
	"io"
	"os"

	"golang.org/x/term"

	"github.com/gosplice/gosplice/internal/visible"
)

// An Output is where all that a tool says goes. What a terminal would obey is made
// visible on the way, see [visible.Writer].
type Output struct {
	Terminal
	*visible.Writer
	IsTerminal bool
}

// NewOutput returns an output to w, which is such a terminal.
func NewOutput(w io.Writer, t Terminal) *Output {
	escape := ""
	if t.Color {
		escape = visible.Esc
	}
	o := &Output{Terminal: t, Writer: visible.NewWriter(w, escape)}
	o.pen = o.Writer.Pen()
	return o
}

// Stdout is the output of the process.
func Stdout() *Output { return NewOutput(os.Stdout, TerminalOf(os.Stdout)) }

// Stderr is the output for errors, which have no colour.
func Stderr() *Output {
	o := NewOutput(os.Stderr, Terminal{Width: DefaultWidth})
	o.IsTerminal = term.IsTerminal(int(os.Stderr.Fd()))
	return o
}
