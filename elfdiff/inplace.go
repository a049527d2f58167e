package elfdiff

import (
	"github.com/gosplice/gosplice/elfdiff/internal/extraction"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
)

// overwrite notes a constant that can be overwritten, and includes what its new
// content refers to.
func (in *includer) overwrite(ch *verdict.Change) {
	a, b := &in.Pre.Atoms[ch.Pre], &in.Post.Atoms[ch.Post]
	if a.Kind != object.Const || b.Kind != object.Const || a.Size != b.Size || a.NoBits || b.NoBits || in.copied[ch.Post] ||
		in.Pre.InCode(a) || in.Post.InCode(b) {
		return
	}
	in.inPlace = append(in.inPlace, extraction.Overwrite{Pre: a.ID, Post: b.ID})
	in.report(findingAt(in.Post, CodeInPlace, b.ID, ch.Reasons[0].PostOffset, "%s", ch.Reasons[0]))
	for i := range b.Refs {
		in.reference(b, &b.Refs[i])
	}
}

// isOverwritten reports whether an object of post is written over that of pre.
func (d *Diff) isOverwritten(post object.AtomID) bool {
	for _, p := range d.inPlace {
		if p.Post == post {
			return true
		}
	}
	return false
}
