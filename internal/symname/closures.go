package symname

import "strings"

// ClosureOf returns what tells a closure of C++ from others of its scope, where a name is of the closure's type, of a
// function of it, or of what was made for it; and how many closures that one is inside of, itself included. Of Rust, that
// is the name without its hash. (Itanium C++ ABI, 5.1.8; clang has names of its own for those without linkage.)
func ClosureOf(name string) (id string, depth int) {
	if stem, ok := rustClosure(name); ok {
		return stem, 1
	}
	rest, mangled := strings.CutPrefix(name, "_Z")
	if !mangled {
		return "", 0
	}
	for i := 0; i < len(rest); i++ {
		if n := closureAt(rest[i:]); n > 0 {
			id, depth = rest[i:i+n], depth+1
			i += n - 1
		}
	}
	return id, depth
}

// closureAt returns how long the name of a closure is that a text begins with: Ul, its parameters, E, a number and an
// underline; or a dollar sign, an underline and a number.
func closureAt(s string) int {
	if strings.HasPrefix(s, "$_") {
		n := 2
		for n < len(s) && isDigit(s[n]) {
			n++
		}
		return n
	}
	if !strings.HasPrefix(s, "Ul") {
		return 0
	}
	for i := 2; i < len(s); i++ {
		if s[i] == 'E' && isNumbered(s[i+1:]) {
			return i + 1 + numbered(s[i+1:]) + 1
		}
	}
	return 0
}

// IsShim reports whether a name of Rust is of a function that calls a closure for others.
func IsShim(name string) bool {
	_, ok := rustClosure(name)
	return ok && strings.Contains(name, shim) && !strings.Contains(name, closure)
}

// coroutineParts are how compilers call the parts of a coroutine that go on with a frame: gcc, which puts a type in front
// of the first, and clang.
var coroutineParts = []string{".actor", ".Frame.actor", ".resume"}

// IsCoroutine reports whether a function goes on with what a coroutine has begun, by its name.
func IsCoroutine(name string) bool {
	for _, part := range coroutineParts {
		if strings.HasPrefix(name, "_Z") && strings.HasSuffix(name, part) {
			return true
		}
	}
	return false
}
