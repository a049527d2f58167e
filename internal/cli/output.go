package cli

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"io"
	"os"
	"sync"
	"unicode/utf8"

	"github.com/gosplice/gosplice/internal/visible"
)

// An Output is where all that a tool says goes. What a terminal would obey is made
// visible on the way, whatever name or message brings it; only lines, tabs and the
// tool's own colours pass. JSON stays JSON.
type Output struct {
	Terminal
	mu   sync.Mutex
	w    io.Writer
	held []byte // the start of a character, or of a colour
}

// NewOutput returns an output to w, which is such a terminal.
func NewOutput(w io.Writer, t Terminal) *Output {
	if t.Color { // nobody else can know how our colours begin
		var key [8]byte
		rand.Read(key[:])
		t.key = hex.EncodeToString(key[:])
	}
	return &Output{Terminal: t, w: w}
}

// Stdout and Stderr are the outputs of the process.
func Stdout() *Output { return NewOutput(os.Stdout, TerminalOf(os.Stdout)) }

// Stderr is the output for errors, which have no colour.
func Stderr() *Output { return NewOutput(os.Stderr, Terminal{Width: DefaultWidth}) }

// Write writes p, as far as it is whole characters.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	rest := append(o.held, p...)
	out := make([]byte, 0, len(rest)+len(rest)/8)
	for len(rest) > 0 {
		n := 0
		switch c := rest[0]; {
		case c == '\n' || c == '\t' || c >= ' ' && c < utf8.RuneSelf-1:
			out, n = append(out, c), 1
		case o.key != "" && bytes.HasPrefix(rest, []byte(o.Escape())):
			out, n = append(out, escape...), len(o.Escape())
		case o.isPart(rest):
			o.held = bytes.Clone(rest)
			_, err := o.w.Write(out)
			return len(p), err
		default:
			out, n = visible.Append(out, rest)
		}
		rest = rest[n:]
	}
	o.held = nil
	_, err := o.w.Write(out)
	return len(p), err
}

// Raw returns what the output writes to, for content that is no text for people.
func (o *Output) Raw() io.Writer { return o.w }

// isPart reports whether more may follow that belongs to what rest is.
func (o *Output) isPart(rest []byte) bool {
	if o.key != "" && len(rest) < len(o.Escape()) && bytes.HasPrefix([]byte(o.Escape()), rest) {
		return true
	}
	return !utf8.FullRune(rest)
}

// Flush writes what is left of a text that ends within a character.
func (o *Output) Flush() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []byte
	for len(o.held) > 0 {
		var n int
		out, n = visible.Append(out, o.held)
		o.held = o.held[n:]
	}
	_, err := o.w.Write(out)
	return err
}
