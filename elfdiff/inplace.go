package elfdiff

import (
	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
)

// inPlace is a constant that is overwritten.
type inPlace struct{ pre, post object.AtomID }

// A DataUpdate is a constant of pre that gets the content that it has in post:
// of the same size, at the same place. Nothing but the object's own references
// changes; who reads it while it is written may see a mix of both, so that it is
// for tables whose entries are independent of each other.
type DataUpdate struct {
	Name string
	Pre  object.AtomID
	// Old and New are its content before and after, with the fields of references
	// zero.
	Old, New []byte
	// Relas are the references of New, to symbols of the extracted object.
	// Offsets are from the start of the constant.
	Relas []elfobj.Rela
}

// overwrite notes a constant that can be overwritten, and includes what its new
// content refers to.
func (in *includer) overwrite(ch *verdict.Change) {
	a, b := &in.Pre.Atoms[ch.Pre], &in.Post.Atoms[ch.Post]
	if a.Kind != object.Const || b.Kind != object.Const || a.Size != b.Size || a.NoBits || b.NoBits || in.copied[ch.Post] ||
		in.Pre.InCode(a) || in.Post.InCode(b) {
		return
	}
	in.inPlace = append(in.inPlace, inPlace{a.ID, b.ID})
	in.report(findingAt(in.Post, CodeInPlace, b.ID, ch.Reasons[0].PostOffset, "%s", ch.Reasons[0]))
	for i := range b.Refs {
		in.reference(b, &b.Refs[i])
	}
}

// isOverwritten reports whether an object of post is written over that of pre.
func (d *Diff) isOverwritten(post object.AtomID) bool {
	for _, p := range d.inPlace {
		if p.post == post {
			return true
		}
	}
	return false
}

// updates lists the constants that are overwritten.
func (x *extraction) updates() []DataUpdate {
	var list []DataUpdate
	for _, p := range x.inPlace {
		a, b := &x.Pre.Atoms[p.pre], &x.Post.Atoms[p.post]
		u := DataUpdate{Name: b.Name, Pre: p.pre, Old: append([]byte(nil), a.Bytes...), New: append([]byte(nil), b.Bytes...)}
		clearFields(u.Old, a)
		clearFields(u.New, b)
		for i := range b.Refs {
			r := &b.Refs[i]
			sym, addend := x.symbolFor(b, r)
			u.Relas = append(u.Relas, elfobj.Rela{Offset: r.Offset, Addend: addend, Sym: sym, Type: r.Type})
		}
		list = append(list, u)
	}
	return list
}
