package preproc

import (
	"errors"
	"strings"
)

// An item is a declaration or a definition, or a directive.
type item struct {
	tokens []token
	end    int  // where it ends in the text
	fresh  bool // nothing but blanks stands behind it in its line
}

// text are its tokens with spaces in between.
func (it *item) text() string {
	var b strings.Builder
	for _, t := range it.tokens {
		b.Write(t)
		b.WriteByte(' ')
	}
	return b.String()
}

var (
	errBalance  = errors.New("brackets don't match")
	errOldStyle = errors.New("a block that belongs to nothing: a function in the old style")
	errDigraph  = errors.New("it has brackets that are two characters each")
)

// split cuts a text into items.
func split(text []byte) ([]item, error) {
	list, _, err := splitFrom(text, item{fresh: true}, func(*item) bool { return false })
	return list, err
}

// splitFrom cuts what follows an item into items, until stop says of one that it is the last, or to
// the end.
func splitFrom(text []byte, behind item, stop func(*item) bool) (out []item, stopped bool, err error) {
	all := make([]token, 0, (len(text)-behind.end)/4)
	rest, fresh := text[behind.end:], behind.fresh
	begin, depth := 0, 0 // of the item that is being read
	body := false        // in the body of a function
	end := func() {
		out = append(out, item{all[begin:len(all):len(all)], len(text) - len(rest), fresh})
		begin, body = len(all), false
		stopped = stop(&out[len(out)-1])
	}
	for !stopped {
		var t token
		if t, rest, fresh = next(rest, fresh); t == nil {
			break
		}
		if t.is("{") && len(all) == begin {
			return nil, false, errOldStyle
		}
		if t.is("<") && len(rest) > 0 && (rest[0] == '%' || rest[0] == ':') {
			return nil, false, errDigraph
		}
		directive := t[0] == '#' && len(t) > 1
		if !directive && t.is("{") && depth == 0 && isDefinition(all[begin:]) {
			body = true
		}
		all = append(all, t)
		switch c := t[0]; {
		case directive:
			if len(all) == begin+1 {
				end()
			}
		case (c == '(' || c == '[' || c == '{') && len(t) == 1:
			depth++
		case c == ')' || c == ']' || c == '}':
			if depth--; depth < 0 {
				return nil, false, errBalance
			}
			if c == '}' && depth == 0 && body {
				end()
			}
		case c == ';' && depth == 0:
			end()
		}
	}
	if depth != 0 || len(all) > begin {
		return nil, false, errBalance
	}
	return out, stopped, nil
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
