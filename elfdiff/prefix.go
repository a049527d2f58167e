package elfdiff

import (
	"strings"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// Prefixes of functions have symbols of their own: objtool calls the room in front
// of foo, where call depth tracking writes, __pfx_foo (scripts/Makefile.lib,
// --prefix); clang calls the hash of its type __cfi_foo (-fsanitize=kcfi).
const (
	roomPrefix = kerneltab.Padding
	hashPrefix = kerneltab.CFIPrefix
)

// isRoom reports whether a function is nothing but room in front of another: a
// target makes that anew.
func isRoom(a *object.Atom) bool {
	return a.Kind == object.Func && strings.HasPrefix(a.Name, roomPrefix)
}
