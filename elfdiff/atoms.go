package elfdiff

import (
	"strings"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// storage says how code reaches a writable variable of the kernel, and until when it
// may write to it: what the section decides beside the object.Kind.
type storage uint8

const (
	plainStorage    storage = iota
	perCPUStorage           // its address is an offset in the area of each processor
	readOnlyStorage         // nobody can write to it once the kernel has started
)

// storages are those other than the plain one, by the memory that the kernel puts a
// section into.
var storages = map[kerneltab.Memory]storage{
	kerneltab.MemoryPerCPU:    perCPUStorage,
	kerneltab.MemoryAfterInit: readOnlyStorage,
}

var storageNames = [...]string{"data", "per-CPU data", "data that is read-only after the start"}

func (s storage) String() string { return storageNames[s] }

// storageOf returns the storage of data; that of constants and the like is plain.
func storageOf(o *object.Object, a *object.Atom) storage {
	if a.Kind != object.Data {
		return plainStorage
	}
	if r := kerneltab.Of(o.SectionName(a.Section)); r != nil {
		return storages[r.Module.Memory]
	}
	return plainStorage
}

const maxWord = 8 // bytes that are written at once

// Prefixes of functions have symbols of their own: objtool calls the room in front
// of foo, where call depth tracking writes, __pfx_foo (scripts/Makefile.lib,
// --prefix); clang calls the hash of its type __cfi_foo (-fsanitize=kcfi).
const (
	roomPrefix = kerneltab.Padding
	hashPrefix = kerneltab.CFIPrefix
)

// isPrefixPadding reports whether a function is nothing but room in front of another: a
// target makes that anew.
func isPrefixPadding(a *object.Atom) bool {
	return a.Kind == object.Func && strings.HasPrefix(a.Name, roomPrefix)
}

// hookSection begins the names of sections with pointers to functions of an
// update that its target calls, as the macros of kpatch make them
// (KPATCH_PRE_PATCH_CALLBACK and the like). Nothing refers to such pointers.
const hookSection = kerneltab.CallbackHooks

// isHook reports whether an object of post is such a pointer.
func (d *Diff) isHook(id object.AtomID) bool {
	return d.carried.Tables && id != object.NoAtom && strings.HasPrefix(d.Post.SectionName(d.Post.Atoms[id].Section), hookSection)
}
