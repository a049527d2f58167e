package symname

import (
	"strconv"
	"strings"
)

// Unordered returns a mangled name without the numbers that a compiler gives in the order of the source to what
// has no name of its own, or shares it: closures, unnamed types, and local classes and static variables of one name
// in several blocks of a function. Names that differ in such a number alone may mean the same thing in two versions
// of a source, and one such name may mean two things (Itanium C++ ABI, 5.1.6 and 5.1.8). Names of other kinds are
// returned as they are.
func Unordered(name string) string {
	if !MayBeOrdered(name) {
		return name
	}
	if stem, ok := rustClosure(name); ok {
		return stem
	}
	return unordered(name)
}

// MayBeOrdered reports whether a name may have such a number, or be one that has none since it is the first.
func MayBeOrdered(name string) bool {
	rest, mangled := strings.CutPrefix(name, "_Z")
	return mangled && (strings.Contains(rest, "Ul") || strings.Contains(rest, "Ut") || strings.Contains(rest, "Z") || strings.Contains(rest, closure) || strings.Contains(rest, shim))
}

func unordered(name string) string {
	var b strings.Builder
	open := 0 // closures of which the number, which follows their parameters, was not met
	for i := 0; i < len(name); {
		switch rest := name[i:]; {
		case strings.HasPrefix(rest, "Ul"):
			open++
			b.WriteString("Ul")
			i += 2
		case strings.HasPrefix(rest, "Ut"):
			b.WriteString("Ut")
			i += 2 + numbered(rest[2:])
		case rest[0] == 'E' && open > 0 && isNumbered(rest[1:]):
			open--
			b.WriteString("E_")
			i += 1 + numbered(rest[1:]) + 1
		case rest[0] == 'E':
			b.WriteByte('E')
			i += 1 + discriminator(rest[1:])
		case isDigit(rest[0]):
			part, n := sourceName(rest)
			b.WriteString(part)
			i += n
		default:
			b.WriteByte(rest[0])
			i++
		}
	}
	return b.String()
}

func isNumbered(s string) bool { return strings.HasPrefix(s[numbered(s):], "_") }

// numbered returns how long the digits in front of an underline are.
func numbered(s string) int {
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	if n < len(s) && s[n] == '_' {
		return n
	}
	return 0
}

// sourceName reads a name behind its length, and the number that tells local names apart. It returns what
// stays of it, and how long it was.
func sourceName(s string) (string, int) {
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	size, err := strconv.Atoi(s[:n])
	if err != nil || size == 0 || size > len(s)-n {
		return s[:n], n
	}
	end := n + size
	if id := s[n:end]; strings.HasPrefix(id, "$_") && IsNumber(id[2:]) { // clang: a closure without linkage
		return "$_", end
	}
	return s[:end], end + discriminator(s[end:])
}

// discriminator returns how long the number is that stands behind a local name: _3, or __12_.
func discriminator(s string) int {
	if len(s) < 2 || s[0] != '_' {
		return 0
	}
	if isDigit(s[1]) {
		return 2
	}
	if n := numbered(s[min(2, len(s)):]); s[1] == '_' && n > 0 {
		return 2 + n + 1
	}
	return 0
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// rustClosure cuts the hash off a closure of Rust, or what calls one, which is another one when closures before it come or go.
func rustClosure(name string) (string, bool) {
	const hash = "17h0123456789abcdefE"
	i := len(name) - len(hash)
	if i <= 0 || !strings.Contains(name, closure) && !strings.Contains(name, shim) || !strings.HasPrefix(name[i:], hash[:3]) || name[len(name)-1] != 'E' {
		return "", false
	}
	return name[:i], true
}

const (
	closure = "$u7b$$u7b$closure$u7d$$u7d$" // how Rust writes {{closure}}
	shim    = "4core3ops8function"          // core::ops::function, of which the functions that call closures are
)

// IsGuard reports whether a name is of the guard of a static variable.
func IsGuard(name string) bool { return strings.HasPrefix(name, "_ZGV") }

// IsWhole reports whether a name is of what compilers of C++ make and code refers to as a whole, or to members of, and
// never to the end of: guards of static variables, and what describes types.
func IsWhole(name string) bool {
	rest, mangled := strings.CutPrefix(name, "_Z")
	return IsGuard(name) || mangled && (strings.HasPrefix(rest, "TI") || strings.HasPrefix(rest, "TS"))
}
