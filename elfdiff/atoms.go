package elfdiff

import (
	"bytes"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/internal/extraction"
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

// hashed refuses a function with the hash of its type in front of it: callers
// through a pointer compare it, and it does not travel. Pointers to functions that exist
// lead to where these are, hash and all, so that those of -fsanitize=function, which no direct call
// meets, matter to new functions whose address is taken.
func (in *includer) hashed(a *object.Atom) {
	before := inFront(in.Post, a)
	if before == nil {
		return
	}
	if before.Name == hashPrefix+a.Name {
		in.report(findingAt(in.Post, CodeTypeHash, a.ID, 0, "%s in front of it is not carried", before.Name))
	}
	if object.IsTypeHash(before) && in.twins.Pre[a.ID] == object.NoAtom && in.isPointedTo(a) {
		in.report(findingAt(in.Post, CodeTypeHash, a.ID, 0, "its address is taken, and the hash of its type in front of it is not carried"))
	}
}

// isPointedTo reports whether something of post takes the address of a function.
func (in *includer) isPointedTo(a *object.Atom) bool {
	return slices.ContainsFunc(in.Post.Users(a.ID), func(u object.AtomID) bool {
		user := &in.Post.Atoms[u]
		return slices.ContainsFunc(user.Refs, func(r object.Ref) bool { return r.Target == a.ID && extraction.TakesIdentity(user, &r, a) })
	})
}

// typeHashes refuses functions that have another hash of their type in front of them, or lost or
// got one: the code may be the same. Hashes have no names, so that verdicts about them do not tell
// whose they are.
func (in *includer) typeHashes() {
	for i := range in.Functions {
		ch := &in.Functions[i]
		if ch.Pre == object.NoAtom || ch.Post == object.NoAtom {
			continue
		}
		if !bytes.Equal(typeHash(in.Pre, ch.Pre), typeHash(in.Post, ch.Post)) {
			in.report(findingAt(in.Post, CodeTypeHash, ch.Post, 0, "the hash of its type in front of it is another one, and callers through a pointer compare it"))
		}
	}
}

// typeHash returns the hash in front of a function, nil where there is none.
func typeHash(o *object.Object, id object.AtomID) []byte {
	if before := inFront(o, &o.Atoms[id]); before != nil && object.IsTypeHash(before) {
		return before.Bytes
	}
	return nil
}

// inFront returns the atom in front of one in its section.
func inFront(o *object.Object, a *object.Atom) *object.Atom {
	if a.ID == o.SectionRange(a.Section).Lo {
		return nil
	}
	return &o.Atoms[a.ID-1]
}
