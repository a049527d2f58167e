package preproc

import "strings"

// names returns what an item declares, as far as it makes neither code nor data by itself; it
// is not inert where it does, or nobody knows. More names than it declares do no harm.
func (it *item) names() (list []string, inert bool) {
	if it.emits() {
		return nil, false
	}
	switch first := it.tokens[0]; {
	case first.is(";"):
		return nil, true
	case first.is("_Static_assert"):
		return nil, true
	case first.is("typedef"):
		return it.identifiers(), true
	}
	if list, ok := it.types(); ok {
		return list, true
	}
	if name, ok := it.function(); ok {
		return []string{name}, true
	}
	return it.external()
}

// emits reports whether an attribute or a directive has the compiler keep what nothing uses, or make
// something else of a declaration than it looks like.
func (it *item) emits() bool {
	t := it.tokens
	for i := range t {
		if t[i][0] == '#' && len(t[i]) > 1 && !strings.HasPrefix(string(t[i]), "#pragma GCC diagnostic") {
			return true
		}
		if !t[i].is("__attribute__") && !t[i].is("__attribute") {
			continue
		}
		for k := i + 1; k < min(closing(t, i+1), len(t)); k++ {
			if emitting[strings.Trim(string(t[k]), "_")] {
				return true
			}
		}
	}
	return false
}

// emitting are such attributes, without the underscores.
var emitting = map[string]bool{
	"used": true, "retain": true, "constructor": true, "destructor": true, "weak": true, "alias": true, "weakref": true,
	"ifunc": true, "symver": true, "externally_visible": true, "init_priority": true, "copy": true,
}

// keywords are no names. A word that is missing here is a name too many.
var keywords = map[string]bool{
	"auto": true, "break": true, "case": true, "char": true, "const": true, "continue": true, "default": true, "do": true,
	"double": true, "else": true, "enum": true, "extern": true, "float": true, "for": true, "goto": true, "if": true,
	"inline": true, "int": true, "long": true, "register": true, "restrict": true, "return": true, "short": true,
	"signed": true, "sizeof": true, "static": true, "struct": true, "switch": true, "typedef": true, "union": true,
	"unsigned": true, "void": true, "volatile": true, "while": true, "_Bool": true, "__attribute__": true,
	"__inline__": true, "__inline": true, "__const": true, "__volatile__": true, "__restrict": true, "__extension__": true,
	"__signed__": true, "__int128": true, "_Noreturn": true,
}

// identifiers are all names in an item.
func (it *item) identifiers() []string {
	var out []string
	for _, t := range it.tokens {
		if t.isIdentifier() && !keywords[string(t)] {
			out = append(out, string(t))
		}
	}
	return out
}

// types are the tags and enumerators of an item that declares nothing else: it has no braces,
// or is closed by one, but for attributes.
func (it *item) types() ([]string, bool) {
	t := it.tokens
	if !isTag(t[0]) {
		return nil, false
	}
	if len(t) == 3 && t[1].isIdentifier() { // struct x;
		return []string{string(t[1])}, true
	}
	end := withoutAttributes(t[:len(t)-1])
	if end == 0 || !t[end-1].is("}") || !t[len(t)-1].is(";") {
		return nil, false
	}
	open := 1
	for depth := 0; open < end; open++ { // the attributes in front of the brace
		if t[open].is("(") {
			depth++
		} else if t[open].is(")") {
			depth--
		} else if t[open].is("{") && depth == 0 {
			break
		} else if depth == 0 && !t[open].isIdentifier() {
			return nil, false
		}
	}
	return declared(t), true
}

// declared are the names that a structure, a union or an enumeration declares, outside of itself.
func declared(t []token) []string {
	var out []string
	for i := 0; i < len(t); i++ {
		if !isTag(t[i]) {
			continue
		}
		j := pastAttributes(t, i+1)
		tag := ""
		if j < len(t) && t[j].isIdentifier() {
			tag = string(t[j])
			j = pastAttributes(t, j+1)
		}
		if j >= len(t) || !t[j].is("{") {
			continue // it is used
		}
		if tag != "" {
			out = append(out, tag)
		}
		for ; t[i].is("enum") && j < len(t) && !t[j].is("}"); j++ {
			if t[j].isIdentifier() {
				out = append(out, string(t[j]))
			}
		}
	}
	return out
}

// pastAttributes is the place behind the attributes at a place.
func pastAttributes(t []token, at int) int {
	for at < len(t) && isAttribute(t[at]) {
		at = closing(t, at+1) + 1
	}
	return at
}

func isTag(t token) bool { return t.is("struct") || t.is("union") || t.is("enum") }

// closing is the place of the bracket that closes the one at a place.
func closing(t []token, at int) int {
	depth := 0
	for i := at; i < len(t); i++ {
		if t[i].is("(") {
			depth++
		} else if t[i].is(")") {
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return len(t)
}

// withoutAttributes is where the attributes begin that a list ends with.
func withoutAttributes(t []token) int {
	end := len(t)
	for end > 1 && t[end-1].is(")") {
		i := opening(t[:end], end-1)
		if i < 1 || !t[i-1].is("__attribute__") {
			break
		}
		end = i - 1
	}
	return end
}

// function is the name of a static function.
func (it *item) function() (string, bool) {
	t := it.tokens
	if !t[len(t)-1].is("}") {
		return "", false
	}
	head := 0
	for depth := 0; head < len(t); head++ {
		if t[head].is("(") {
			depth++
		} else if t[head].is(")") {
			depth--
		} else if t[head].is("{") && depth == 0 {
			break
		}
	}
	if head == len(t) || !has(t[:head], "static") || !isDefinition(t[:head]) {
		return "", false
	}
	return named(t[:head])
}

func has(t []token, word string) bool {
	for i := range t {
		if t[i].is(word) {
			return true
		}
	}
	return false
}

// named is the name in front of the parameters at the end of a declarator.
func named(t []token) (string, bool) {
	i := opening(t, len(t)-1)
	if i < 2 || !t[i-1].isIdentifier() || keywords[string(t[i-1])] || isAttribute(t[i-1]) {
		return "", false
	}
	return string(t[i-1]), !builtin[string(t[i-1])]
}

// builtin are functions that compilers call by themselves.
var builtin = map[string]bool{
	"memcpy": true, "memset": true, "memmove": true, "memcmp": true, "strlen": true, "abort": true, "strcpy": true, "strchr": true,
	"strcmp": true, "strncmp": true, "stpcpy": true, "strnlen": true, "printf": true, "puts": true, "bcmp": true, "__stack_chk_fail": true,
}

// external is the name of a function or a variable that is defined elsewhere.
func (it *item) external() ([]string, bool) {
	t := it.tokens
	if !t[len(t)-1].is(";") || has(t, "=") || has(t, "{") || has(t, "asm") || has(t, "__asm__") || has(t, "__asm") {
		return nil, false
	}
	t = t[:withoutAttributes(t[:len(t)-1])]
	if len(t) == 0 {
		return nil, false
	}
	if several(t) && !has(t, "extern") {
		return nil, false
	}
	if has(t, "extern") {
		list := it.identifiers()
		for _, name := range list {
			if builtin[name] {
				return nil, false
			}
		}
		return lastNames(t, list), true
	}
	if !t[len(t)-1].is(")") {
		return nil, false
	}
	name, ok := named(t)
	i := opening(t, len(t)-1)
	if !ok || i+1 >= len(t) || t[i+1].is("*") || t[i+1].is("(") || i < 2 {
		return nil, false // it may be a variable
	}
	return []string{name}, true
}

// lastNames are the names of a declaration that may be what it declares: that of a function in front
// of its parameters, or all.
func lastNames(t []token, all []string) []string {
	if t[len(t)-1].is(")") && !several(t) {
		if name, ok := named(t); ok {
			return []string{name}
		}
	}
	return all
}

// several reports whether a declaration has more than one declarator.
func several(t []token) bool {
	depth := 0
	for i := range t {
		switch {
		case t[i].is("("), t[i].is("["):
			depth++
		case t[i].is(")"), t[i].is("]"):
			depth--
		case t[i].is(",") && depth == 0:
			return true
		}
	}
	return false
}
