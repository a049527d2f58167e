package elfdiff

import "strings"

// Prefixes of functions have symbols of their own: objtool calls the room in front
// of foo, where call depth tracking writes, __pfx_foo (scripts/Makefile.lib,
// --prefix); clang calls the hash of its type __cfi_foo (-fsanitize=kcfi).
const (
	roomPrefix = "__pfx_"
	hashPrefix = "__cfi_"
)

// isRoom reports whether a function is nothing but room in front of another: a
// target makes that anew.
func isRoom(a *Atom) bool { return a.Kind == Func && strings.HasPrefix(a.Name, roomPrefix) }

// hashed refuses a function with the hash of its type in front of it: callers
// through a pointer compare it, and it does not travel.
func (in *includer) hashed(a *Atom) {
	r := in.Post.bySection[a.Section]
	if a.ID == r.lo {
		return
	}
	if before := &in.Post.Atoms[a.ID-1]; before.Name == hashPrefix+a.Name {
		in.report(in.Post.finding(CodeTypeHash, a.ID, 0, "%s in front of it is not carried", before.Name))
	}
}
