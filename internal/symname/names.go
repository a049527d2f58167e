// Package symname takes names of symbols apart: what a compiler or the kernel adds to the
// name that the source has.
package symname

import "strings"

// ColdParent returns the name of the function that a cold part was split
// from: gcc moves the unlikely blocks of foo to foo.cold, in .text.unlikely;
// older versions number them (foo.cold.3).
func ColdParent(name string) (string, bool) {
	if p, ok := strings.CutSuffix(name, ".cold"); ok && p != "" {
		return p, true
	}
	i := strings.LastIndex(name, ".cold.")
	if i <= 0 || !IsNumber(name[i+len(".cold."):]) {
		return "", false
	}
	return name[:i], true
}

// IsNumber reports whether a text is a decimal number.
func IsNumber(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// Stem returns the name without the numbers that compilers add, so that names
// which differ only in them have one stem: x.12 and x.34 (static locals),
// foo.isra.0 and foo.isra.1, foo.constprop.0.isra.2. What was done to a
// function stays in its stem, since it changes how the function is called:
// foo.isra is not foo.
func Stem(name string) string {
	if strings.HasPrefix(name, BTFPrefix) {
		return stemBTF(name)
	}
	if i := strings.Index(name, "."+uniquePrefix); i > 0 { // clang: of the function in front of it
		return Stem(name[:i]) + "." + Stem(name[i+1:])
	}
	if unique, ok := strings.CutPrefix(name, uniquePrefix); ok {
		return uniquePrefix + Stem(strings.TrimRight(trimNumber(unique), digits))
	}
	if !hasNumber(name) {
		return name
	}
	var b strings.Builder
	for i, part := range strings.Split(name, ".") {
		if i > 0 && IsNumber(part) {
			continue
		}
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(part)
	}
	return b.String()
}

// Variable returns the name that the source has for a variable: clang puts the function of a static
// one in front of it, and both compilers a number behind it.
func Variable(name string) string {
	stem := Stem(Unordered(name))
	return stem[strings.LastIndexByte(stem, '.')+1:]
}

// hasNumber reports whether a part of the name behind a dot is a number.
func hasNumber(name string) bool {
	for i := strings.IndexByte(name, '.'); i >= 0; {
		rest := name[i+1:]
		n := strings.IndexByte(rest, '.')
		if n < 0 {
			return IsNumber(rest)
		}
		if IsNumber(rest[:n]) {
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

// Unpromoted returns the name that the source has for a symbol.
func Unpromoted(name string) string {
	if i := strings.LastIndex(name, promotion); i > 0 && IsNumber(name[i+len(promotion):]) {
		return name[:i]
	}
	return name
}

// uniquePrefix starts the names that the Linux kernel makes of a counter
// (include/linux/compiler.h, __UNIQUE_ID): __UNIQUE_ID_ddebug594.26.
const uniquePrefix = "__UNIQUE_ID_"

const digits = "0123456789"

// BTFPrefix starts the names of places where the kernel's build writes numbers
// of types (include/linux/btf_ids.h, tools/bpf/resolve_btfids): a kind, the name
// of a type, then a counter and the line: __BTF_ID__struct__sk_buff__108845.
const BTFPrefix = "__BTF_ID__"

// stemBTF removes the counter and the line.
func stemBTF(name string) string {
	if i := strings.LastIndex(name, "__"); i >= len(BTFPrefix) && IsNumber(name[i+2:]) {
		return name[:i]
	}
	return name
}

// trimNumber removes the number of a static local.
func trimNumber(name string) string {
	if i := strings.LastIndexByte(name, '.'); i >= 0 && IsNumber(name[i+1:]) {
		return name[:i]
	}
	return name
}

// IsNumbered reports whether the name has a number of the compiler's in it,
// so that equal names in pre and post need not mean the same thing.
func IsNumbered(name string) bool { return Stem(name) != name }

// IsIdentifier reports whether a name is one that C has for what it declares.
func IsIdentifier(name string) bool {
	for i := range len(name) {
		c := name[i]
		if c != '_' && (c|0x20 < 'a' || c|0x20 > 'z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// IsLocalLabel reports whether the name is one that assemblers make up for
// labels. Such a symbol gives no identity; it is kept in an object only where
// a relocation can't do without (gas does so for SHF_MERGE sections).
func IsLocalLabel(name string) bool { return name == "" || strings.HasPrefix(name, ".L") }
