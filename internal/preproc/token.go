package preproc

import "bytes"

// A token is a piece of a text: a name, a number, a literal, or a character of punctuation.
type token []byte

// next takes a token off a text. It is nil at the end. Directives that the preprocessor left
// (#pragma) are one token each.
func next(text []byte, start bool) (t token, rest []byte, fresh bool) {
	fresh = start
	for len(text) > 0 {
		switch c := text[0]; {
		case c == '\n':
			fresh = true
			text = text[1:]
		case c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v':
			text = text[1:]
		case c == '#' && fresh:
			n := bytes.IndexByte(text, '\n')
			if n < 0 {
				n = len(text)
			}
			return text[:n], text[n:], true
		default:
			n := length(text)
			return text[:n], text[n:], false
		}
	}
	return nil, nil, fresh
}

// length is that of the token that a text begins with.
func length(text []byte) int {
	switch c := text[0]; {
	case isName(c) || c == '.' && len(text) > 1 && isDigit(text[1]):
		n := 1
		for n < len(text) && (isName(text[n]) || isDigit(c) && (text[n] == '.' || isSign(text[n]) && isExponent(text[n-1]))) {
			n++
		}
		if n < len(text) && (text[n] == '"' || text[n] == '\'') && isPrefix(text[:n]) {
			return n + literal(text[n:])
		}
		return n
	case c == '"' || c == '\'':
		return literal(text)
	}
	return 1
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isSign(c byte) bool  { return c == '+' || c == '-' }
func isName(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '$' || isDigit(c) || c >= 0x80
}
func isExponent(c byte) bool { return c == 'e' || c == 'E' || c == 'p' || c == 'P' }

// isPrefix reports whether a name in front of a quote is part of the literal.
func isPrefix(name []byte) bool {
	switch string(name) {
	case "L", "u", "U", "u8":
		return true
	}
	return false
}

// literal is the length of a string or character. One without an end goes to the end of
// its line.
func literal(text []byte) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '\n':
			return i
		case text[0]:
			return i + 1
		}
	}
	return len(text)
}

// isIdentifier reports whether a token is a name.
func (t token) isIdentifier() bool {
	return isName(t[0]) && !isDigit(t[0]) && t[len(t)-1] != '"' && t[len(t)-1] != '\''
}

func (t token) is(s string) bool { return string(t) == s }
