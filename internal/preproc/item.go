package preproc

import (
	"errors"
	"strings"
)

// An item is a declaration or a definition, or a directive.
type item struct {
	text   string // its tokens with spaces in between
	tokens []token
}

var errBalance = errors.New("brackets don't match")

// split cuts a text into items.
func split(text []byte) ([]item, error) {
	var out []item
	var cur []token
	depth, fresh := 0, true
	body := false // in the body of a function
	end := func() {
		if len(cur) > 0 {
			out = append(out, newItem(cur))
		}
		cur, body = nil, false
	}
	for {
		var t token
		if t, text, fresh = next(text, fresh); t == nil {
			break
		}
		if t[0] == '#' && len(t) > 1 {
			if cur = append(cur, t); len(cur) == 1 {
				end()
			}
			continue
		}
		if t.is("{") && depth == 0 && isDefinition(cur) {
			body = true
		}
		cur = append(cur, t)
		switch t[0] {
		case '(', '[', '{':
			if len(t) == 1 {
				depth++
			}
		case ')', ']', '}':
			if depth--; depth < 0 {
				return nil, errBalance
			}
			if t[0] == '}' && depth == 0 && body {
				end()
			}
		case ';':
			if depth == 0 {
				end()
			}
		}
	}
	if depth != 0 || len(cur) > 0 {
		return nil, errBalance
	}
	return out, nil
}

func newItem(tokens []token) item {
	var b strings.Builder
	for _, t := range tokens {
		b.Write(t)
		b.WriteByte(' ')
	}
	return item{b.String(), tokens}
}

// isDefinition reports whether what comes before a brace is the head of a function: it ends
// with the list of parameters, and not with that of an attribute.
func isDefinition(head []token) bool {
	if len(head) < 3 || !head[len(head)-1].is(")") {
		return false
	}
	i := opening(head, len(head)-1)
	return i > 0 && !isAttribute(head[i-1])
}

// opening is the place of the bracket that belongs to a closing one, -1 when there is none.
func opening(list []token, at int) int {
	depth := 0
	for i := at; i >= 0; i-- {
		switch {
		case list[i].is(")"):
			depth++
		case list[i].is("("):
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// isAttribute reports whether a token is a word with a list behind it that is not of
// parameters.
func isAttribute(t token) bool {
	switch string(t) {
	case "__attribute__", "__attribute", "__typeof__", "typeof", "__typeof", "_Alignas", "__declspec", "asm", "__asm__", "__asm", "_Atomic", "__alignof__", "_Alignof":
		return true
	}
	return false
}
