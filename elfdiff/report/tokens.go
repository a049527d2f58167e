package report

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gosplice/gosplice/internal/align"
)

// part is a piece of text that looks the same.
type part struct {
	Class string // of the style sheet; "" for plain text
	Href  string // of a link; "" for none
	Text  string
}

// The looks of parts.
const (
	partSymbol = "y" // what a relocation means
	partString = "q"
	partDiffer = "d" // differs from the other side
)

// token is a piece of an instruction or of a source line.
type token struct {
	text   string
	class  string
	href   string
	differ bool
}

// tokenize cuts a text into words, numbers, quoted strings and single other
// characters; blanks go with what is in front of them.
func tokenize(s string) []token {
	var out []token
	for i := 0; i < len(s); {
		n := wordLen(s[i:])
		t := token{text: s[i : i+n]}
		if s[i] == '"' {
			t.class = partString
		}
		out = append(out, t)
		i += n
	}
	return out
}

// wordLen returns the length of the first token.
func wordLen(s string) int {
	switch c := s[0]; {
	case c == '"':
		return quotedLen(s)
	case isWord(rune(c)) || c == '%' || c == '$':
		n := 1
		for n < len(s) && isWord(rune(s[n])) {
			n++
		}
		return n
	}
	r, n := utf8.DecodeRuneInString(s)
	for unicode.IsSpace(r) && n < len(s) && (s[n] == ' ' || s[n] == '\t') {
		n++
	}
	return n
}

func isWord(r rune) bool {
	return r == '_' || r == '.' || r == '@' || r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r))
}

// quotedLen returns the length of a string in quotes, or 1 when it does not
// end.
func quotedLen(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return 1
}

// maxTokens bounds the lines that are compared token by token.
const maxTokens = 200

// differInstructions marks what two instructions that do the same do not share.
func differInstructions(a, b []token) {
	if len(a) > 0 && len(b) > 0 && a[0].text == b[0].text {
		differ(a, b)
	}
}

// differLines marks what two lines of source do not share, unless that is most
// of them: then they differ as wholes.
func differLines(a, b []token) {
	if same := differ(a, b); same*2 >= max(textLen(a), textLen(b)) {
		return
	}
	for _, list := range [][]token{a, b} {
		for i := range list {
			list[i].differ = false
		}
	}
}

// differ marks the tokens that the two sides do not share, and returns the
// length of what they do.
func differ(a, b []token) (same int) {
	if len(a) > maxTokens || len(b) > maxTokens {
		return 0
	}
	ids := map[string]int32{}
	p, q := tokenIDs(ids, a), tokenIDs(ids, b)
	for _, list := range [][]token{a, b} {
		for i := range list {
			list[i].differ = true
		}
	}
	align.Sequences(p, q, func(i, j int) {
		a[i].differ, b[j].differ = false, false
		same += len(strings.TrimSpace(a[i].text))
	})
	return same
}

func tokenIDs(ids map[string]int32, list []token) []int32 {
	out := make([]int32, len(list))
	for i := range list {
		id, ok := ids[list[i].text]
		if !ok {
			id = int32(len(ids))
			ids[list[i].text] = id
		}
		out[i] = id
	}
	return out
}

func textLen(list []token) int {
	n := 0
	for i := range list {
		n += len(strings.TrimSpace(list[i].text))
	}
	return n
}

// join makes parts of tokens, as few as possible.
func join(list []token) []part {
	var out []part
	for i := range list {
		t := &list[i]
		class := t.class
		if t.differ {
			class = strings.TrimSpace(class + " " + partDiffer)
		}
		if n := len(out); n > 0 && out[n-1].Class == class && out[n-1].Href == t.href {
			out[n-1].Text += t.text
			continue
		}
		out = append(out, part{Class: class, Href: t.href, Text: t.text})
	}
	return out
}
