package web

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gosplice/gosplice/internal/words"
)

// Bounds of what one place of a page shows of a text from elsewhere, in bytes.
const (
	maxName = 200
	maxText = 600
)

// Name is a name that is safe to look at, and not too long.
func Name(s string) string { return Safe(s, maxName) }

// Text is a sentence that is safe to look at, and not too long.
func Text(s string) string { return Safe(s, maxText) }

// Safe makes a text safe to look at: what does not print, or would change
// the order in which the text is read, is shown by its number. Escaping for
// HTML is left to the template.
func Safe(s string, most int) string {
	clean := len(s) <= most
	for _, r := range s {
		if !shown(r) {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		if b.Len() >= most {
			fmt.Fprintf(&b, "… (%d bytes)", len(s))
			break
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n <= 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case !shown(r):
			fmt.Fprintf(&b, `\u{%x}`, r)
		default:
			b.WriteRune(r)
		}
		i += n
	}
	return b.String()
}

// shown reports whether a character stands for itself. Format characters, such
// as those that reverse the direction of writing, do not.
func shown(r rune) bool { return r != utf8.RuneError && (unicode.IsPrint(r) || r == '\t') }

// Anchors makes identifiers for the parts of a page, from names that may hold
// anything.
type Anchors map[string]int

const maxAnchor = 80

// Make returns an identifier that it has not returned before.
func (a Anchors) Make(prefix, name string) string {
	id := prefix + strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("_.-", r)) {
			return r
		}
		return '-'
	}, name[:min(len(name), maxAnchor)])
	for {
		n := a[id]
		a[id]++
		if n == 0 {
			return id
		}
		id = fmt.Sprintf("%s-%d", id, n+1) // which may be taken too
	}
}

// Plural counts things in English.
func Plural(n int, one string) string { return Thousands(n) + " " + words.Nouns(n, one) }

// Thousands writes a number with a space between groups of three digits.
func Thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}
