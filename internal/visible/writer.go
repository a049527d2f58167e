package visible

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"io"
	"sync"
	"unicode/utf8"
)

// A Writer makes visible what a terminal would obey, whatever name or message brings
// it: only lines, tabs and the styles of its own [Pen] pass. JSON stays JSON.
type Writer struct {
	mu     sync.Mutex
	w      io.Writer
	own    []byte // what styles begin with that pass; nobody else can know it
	escape string // what is written for that
	held   []byte // the start of a character, or of a style
}

// NewWriter returns a Writer to w. Its styles are written with this beginning, ""
// for one that has none.
func NewWriter(w io.Writer, escape string) *Writer {
	v := &Writer{w: w, escape: escape}
	if escape != "" {
		var key [8]byte
		rand.Read(key[:])
		v.own = []byte(Esc + hex.EncodeToString(key[:]))
	}
	return v
}

// Pen returns what writes in styles that pass.
func (v *Writer) Pen() Pen { return Pen{len(v.own) > 0, string(v.own)} }

// Write writes p, as far as it is whole characters.
func (v *Writer) Write(p []byte) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	rest := append(v.held, p...)
	out := make([]byte, 0, len(rest)+len(rest)/8)
	for len(rest) > 0 {
		n := 0
		switch c := rest[0]; {
		case c == '\n' || c == '\t' || c >= ' ' && c < utf8.RuneSelf-1:
			out, n = append(out, c), 1
		case len(v.own) > 0 && bytes.HasPrefix(rest, v.own):
			out, n = append(out, v.escape...), len(v.own)
		case v.isPart(rest):
			v.held = bytes.Clone(rest)
			_, err := v.w.Write(out)
			return len(p), err
		default:
			out, n = Append(out, rest)
		}
		rest = rest[n:]
	}
	v.held = nil
	_, err := v.w.Write(out)
	return len(p), err
}

// Raw returns what the Writer writes to, for content that is no text for people.
func (v *Writer) Raw() io.Writer { return v.w }

// isPart reports whether more may follow that belongs to what rest is.
func (v *Writer) isPart(rest []byte) bool {
	if len(rest) < len(v.own) && bytes.HasPrefix(v.own, rest) {
		return true
	}
	return !utf8.FullRune(rest)
}

// Flush writes what is left of a text that ends within a character.
func (v *Writer) Flush() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	var out []byte
	for len(v.held) > 0 {
		var n int
		out, n = Append(out, v.held)
		v.held = v.held[n:]
	}
	_, err := v.w.Write(out)
	return err
}
