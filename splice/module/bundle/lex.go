package bundle

import "bytes"

// An item is a declaration, a definition or a directive at the top of a source (C11, 6.9), with the
// names in it.
type item struct {
	text       []byte
	start, end int // lines, from 1
	defines    string
	directive  bool
	words      words
}

// words are the names in a stretch of source.
type words struct {
	names   map[string]bool // but those of members
	members map[string]bool // behind -> and .
	loose   map[string]bool // of these, behind what is no name: (x)->y
	labels  map[string]bool
	// whole are names of what may be copied, or counted with, as a whole: *p, p + 1, p[1].
	whole map[string]bool
	// sized says that an expression may be so, or its size asked for: (x)[1], sizeof(x).
	sized bool
}

func newWords() words {
	return words{names: map[string]bool{}, members: map[string]bool{}, loose: map[string]bool{}, labels: map[string]bool{}, whole: map[string]bool{}}
}

func (w *words) add(o *words) {
	for _, x := range [][2]map[string]bool{{w.names, o.names}, {w.members, o.members}, {w.loose, o.loose}, {w.labels, o.labels}, {w.whole, o.whole}} {
		for name := range x[1] {
			x[0][name] = true
		}
	}
	w.sized = w.sized || o.sized
}

// lexer cuts a source into items.
type lexer struct {
	b       []byte
	at      int
	line    int
	items   []item
	open    *item
	from    int    // where the open item begins
	last    string // the token before
	before  string // and the one before that
	round   int    // open parentheses and brackets
	curly   int
	star    bool // a * stands before, which may not be a product
	starred bool // and a name behind it
	body    bool // the outermost braces are those of a function
	started bool // only blanks stand before on this line
	inner   bool // it reads a directive
}

// itemsOf cuts a source. ok is false where its braces do not pair, as with halves of them in
// branches of the preprocessor.
func itemsOf(b []byte) (list []item, ok bool) {
	l := &lexer{b: b, line: 1, started: true}
	for l.at < len(b) {
		l.step()
		if l.round < 0 || l.curly < 0 {
			return nil, false
		}
	}
	return l.items, l.round == 0 && l.curly == 0 && l.open == nil
}

// step reads a token.
func (l *lexer) step() {
	c, rest := l.b[l.at], l.b[l.at:]
	switch {
	case c == '\n':
		l.skip(1)
		l.started = true
	case c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v' || c == '\\':
		l.skip(1)
	case bytes.HasPrefix(rest, []byte("/*")):
		l.skip(lengthTo(rest, "*/"))
	case bytes.HasPrefix(rest, []byte("//")):
		l.skip(lineLength(rest))
	case c == '#' && l.started && !l.inner:
		l.directive()
	case c == '"' || c == '\'':
		l.token("\"", quoted(rest))
	case isDigit(c) || c == '.' && len(rest) > 1 && isDigit(rest[1]):
		n := 1
		for n < len(rest) && (isName(rest[n]) || rest[n] == '.') {
			n++
		}
		l.token("0", n)
	case isName(c):
		n := 1
		for n < len(rest) && isName(rest[n]) {
			n++
		}
		l.token(string(rest[:n]), n)
	case bytes.HasPrefix(rest, []byte("->")):
		l.token("->", 2)
	case bytes.HasPrefix(rest, []byte("...")):
		l.token("...", 3)
	default:
		l.token(string(rest[:1]), 1)
	}
}

func (l *lexer) skip(n int) {
	n = min(n, len(l.b)-l.at)
	l.line += bytes.Count(l.b[l.at:l.at+n], []byte("\n"))
	l.at += n
}

// token takes a token of n bytes into the open item.
func (l *lexer) token(t string, n int) {
	l.started = false
	if l.open == nil {
		l.open, l.from, l.body = &item{start: l.line, words: newWords()}, l.at, false
		l.last, l.before = "", ""
	}
	if isName(t[0]) && !isDigit(t[0]) {
		l.open.words.name(t, l.last, l.before)
	}
	l.sizes(t)
	l.skip(n)
	switch t {
	case "(", "[":
		l.round++
	case ")", "]":
		l.round--
	case "{":
		if l.curly == 0 && l.round == 0 {
			l.body = l.last == ")"
		}
		l.curly++
	case "}":
		l.curly--
	}
	l.before, l.last = l.last, t
	if !l.inner && l.round == 0 && l.curly == 0 && (t == ";" || t == "}" && l.body) {
		l.close()
	}
}

func (l *lexer) close() {
	l.open.end, l.open.text = l.line, l.b[l.from:l.at]
	l.items = append(l.items, *l.open)
	l.open = nil
}

// name notes a name by what stands before it.
func (w *words) name(t, last, before string) {
	switch {
	case last == "->" || last == ".":
		w.members[t] = true
		if before == ")" {
			w.loose[t] = true
		}
	case last == "goto":
		w.labels[t] = true
	default:
		w.names[t] = true
	}
}

// sizes notes where the size of what a token is about may matter.
func (l *lexer) sizes(t string) {
	w, name, was := &l.open.words, isName(t[0]) && !isDigit(t[0]), l.last != "" && isName(l.last[0]) && !isDigit(l.last[0])
	switch {
	case l.starred: // *p->x, *p[1]: what is read is none of a name
		w.sized = w.sized || t == "->" || t == "." || t == "["
	case l.star && t != "*":
		w.sized = w.sized || !name
	}
	l.starred = l.star && name
	l.star = t == "*" && (l.star || !was && l.last != "0" && l.last != "]")
	switch {
	case name && (l.starred || l.last == "+" || l.last == "-"):
		w.whole[t] = true
	case name && t == "sizeof":
		w.sized = true
	case t == "(" && (l.last == "+" || l.last == "-"):
		w.sized = true
	case t != "[" && t != "+" && t != "-":
	case was:
		w.whole[l.last] = true
	case l.last == ")" || l.last == "]":
		w.sized = true
	}
}

// directive reads a line of the preprocessor with those that continue it. Conditions belong to the item
// that they stand in; what is defined is an item.
func (l *lexer) directive() {
	from, line := l.at, l.line
	for l.at < len(l.b) && l.b[l.at] != '\n' {
		switch rest := l.b[l.at:]; {
		case bytes.HasPrefix(rest, []byte("\\\n")):
			l.skip(2)
		case bytes.HasPrefix(rest, []byte("/*")):
			l.skip(lengthTo(rest, "*/"))
		default:
			l.skip(1)
		}
	}
	text := l.b[from:l.at]
	in := &lexer{b: text[1:], line: line, inner: true}
	in.open = &item{words: newWords()}
	for in.at < len(in.b) {
		in.step()
	}
	w := in.open.words
	word, rest := firstName(text[1:])
	delete(w.names, word)
	switch word {
	case "define", "undef":
		name, _ := firstName(rest)
		delete(w.names, name)
		l.items = append(l.items, item{text: text, start: line, end: l.line, defines: name, directive: true, words: w})
	case "if", "ifdef", "ifndef", "elif":
		delete(w.names, "defined")
		if l.open != nil {
			l.open.words.add(&w)
		}
	}
}

// firstName returns the first name in a text, and what is behind it.
func firstName(b []byte) (string, []byte) {
	i := 0
	for i < len(b) && !isName(b[i]) {
		i++
	}
	n := i
	for n < len(b) && isName(b[n]) {
		n++
	}
	return string(b[i:n]), b[n:]
}

// lineLength is the length of a line without its end.
func lineLength(b []byte) int {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return i
	}
	return len(b)
}

// lengthTo is the length of what ends with a mark, or of all.
func lengthTo(b []byte, end string) int {
	if i := bytes.Index(b[2:], []byte(end)); i >= 0 {
		return 2 + i + len(end)
	}
	return len(b)
}

// quoted is the length of a literal, which ends with its line at the latest.
func quoted(b []byte) int {
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case b[0]:
			return i + 1
		case '\\':
			i++
		case '\n':
			return i
		}
	}
	return len(b)
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isName(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '$' || isDigit(c) || c >= 0x80
}
