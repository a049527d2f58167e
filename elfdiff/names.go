package elfdiff

import "strings"

// coldParent returns the name of the function that a cold part was split
// from: gcc moves the unlikely blocks of foo to foo.cold, in .text.unlikely;
// older versions number them (foo.cold.3).
func coldParent(name string) (string, bool) {
	if p, ok := strings.CutSuffix(name, ".cold"); ok && p != "" {
		return p, true
	}
	i := strings.LastIndex(name, ".cold.")
	if i <= 0 || !isNumber(name[i+len(".cold."):]) {
		return "", false
	}
	return name[:i], true
}

func isNumber(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// stem returns the name without the numbers that compilers add, so that names
// which differ only in them have one stem: x.12 and x.34 (static locals),
// foo.isra.0 and foo.isra.1, foo.constprop.0.isra.2. What was done to a
// function stays in its stem, since it changes how the function is called:
// foo.isra is not foo.
func stem(name string) string {
	if strings.HasPrefix(name, btfPrefix) {
		return stemBTF(name)
	}
	if unique, ok := strings.CutPrefix(name, uniquePrefix); ok {
		return uniquePrefix + stem(strings.TrimRight(trimNumber(unique), digits))
	}
	if !hasNumber(name) {
		return name
	}
	var b strings.Builder
	for i, part := range strings.Split(name, ".") {
		if i > 0 && isNumber(part) {
			continue
		}
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(part)
	}
	return b.String()
}

// hasNumber reports whether a part of the name behind a dot is a number.
func hasNumber(name string) bool {
	for i := strings.IndexByte(name, '.'); i >= 0; {
		rest := name[i+1:]
		n := strings.IndexByte(rest, '.')
		if n < 0 {
			return isNumber(rest)
		}
		if isNumber(rest[:n]) {
			return true
		}
		i += 1 + n
	}
	return false
}

// promotion stands between the name of a static symbol and the number that tells
// it from others, where ThinLTO of LLVM made it known to other modules
// (foo.llvm.1234567). The number is a digest of the module.
const promotion = ".llvm."

// unpromoted returns the name that the source has for a symbol.
func unpromoted(name string) string {
	if i := strings.LastIndex(name, promotion); i > 0 && isNumber(name[i+len(promotion):]) {
		return name[:i]
	}
	return name
}

// uniquePrefix starts the names that the Linux kernel makes of a counter
// (include/linux/compiler.h, __UNIQUE_ID): __UNIQUE_ID_ddebug594.26.
const uniquePrefix = "__UNIQUE_ID_"

const digits = "0123456789"

// btfPrefix starts the names of places where the kernel's build writes numbers
// of types (include/linux/btf_ids.h, tools/bpf/resolve_btfids): a kind, the name
// of a type, then a counter and the line: __BTF_ID__struct__sk_buff__108845.
const btfPrefix = "__BTF_ID__"

// stemBTF removes the counter and the line.
func stemBTF(name string) string {
	if i := strings.LastIndex(name, "__"); i >= len(btfPrefix) && isNumber(name[i+2:]) {
		return name[:i]
	}
	return name
}

// trimNumber removes the number of a static local.
func trimNumber(name string) string {
	if i := strings.LastIndexByte(name, '.'); i >= 0 && isNumber(name[i+1:]) {
		return name[:i]
	}
	return name
}

// isNumbered reports whether the name has a number of the compiler's in it,
// so that equal names in pre and post need not mean the same thing.
func isNumbered(name string) bool { return stem(name) != name }

// literalStems names compiler-made constants: objects with a symbol, but no
// identity in the source. They are compared by content wherever they are
// referred to, like anonymous data.
var literalStems = map[string]string{
	"CSWTCH":              "switch turned into a table",
	"__func__":            "name of the function",
	"__FUNCTION__":        "name of the function",
	"__PRETTY_FUNCTION__": "name of the function",
	"C":                   "constant aggregate",
}

// isLiteralName reports whether a constant with this name is a literal.
func isLiteralName(name string) bool {
	if !isNumbered(name) {
		return false
	}
	_, ok := literalStems[stem(name)]
	return ok
}

// isUnnamable reports whether no source computes the end of an object, so that
// a reference to its border means the neighbour.
func isUnnamable(a *Atom) bool {
	if isLiteral(a) {
		return !a.Anonymous() && stem(a.Name) != "C"
	}
	_, single := freshStems[stem(a.Name)]
	return single || strings.HasPrefix(a.Name, btfPrefix)
}
