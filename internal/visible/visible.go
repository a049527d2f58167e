// Package visible makes text safe to look at. Names of symbols, sections and files
// may hold anything: what a terminal would obey, and what changes the order in
// which a text is read, is shown by its number instead.
package visible

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Rune reports whether a character stands for itself. Control and format
// characters do not, such as those that reverse the direction of writing.
func Rune(r rune) bool { return r != utf8.RuneError && unicode.IsPrint(r) }

// Append appends the visible form of the character that s begins with, and returns
// how many bytes of s that is. The form is that of a JSON string, \u001b, so that
// JSON stays JSON; a byte that is not of a character is \x9b.
func Append(b []byte, s []byte) ([]byte, int) {
	r, n := utf8.DecodeRune(s)
	switch {
	case r == utf8.RuneError && n <= 1:
		return fmt.Appendf(b, `\x%02x`, s[0]), 1
	case Rune(r):
		return append(b, s[:n]...), n
	case r > 0xffff:
		hi, lo := utf16.EncodeRune(r)
		return fmt.Appendf(b, `\u%04x\u%04x`, hi, lo), n
	}
	return fmt.Appendf(b, `\u%04x`, r), n
}

// Text returns a text for one line, line feeds and tabs made visible too.
func Text(s string) string {
	clean := strings.IndexFunc(s, func(r rune) bool { return !Rune(r) })
	if clean < 0 {
		return s
	}
	b := append(make([]byte, 0, len(s)+16), s[:clean]...)
	for rest := []byte(s[clean:]); len(rest) > 0; {
		var n int
		b, n = Append(b, rest)
		rest = rest[n:]
	}
	return string(b)
}
