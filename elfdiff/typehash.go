package elfdiff

import (
	"bytes"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/internal/extraction"
	"github.com/gosplice/gosplice/elfdiff/object"
)

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
