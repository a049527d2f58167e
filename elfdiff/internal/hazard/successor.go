package hazard

import (
	"slices"

	"github.com/gosplice/gosplice/elfdiff/internal/correlate"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// A Successor is a variable that only post has, in a function that used one that only pre has:
// the source calls it otherwise, or has put it elsewhere. What the old one holds is lost to it.
type Successor struct {
	Pre, Post object.AtomID
	User      object.AtomID // the function of post
}

// Successors lists them, by the variables of pre, one for each. matters tells which variables
// of an object count.
func Successors(pre, post *object.Object, twins *correlate.Twins, matters func(*object.Object, object.AtomID) bool) (list []Successor) {
	fresh := map[object.AtomID][]object.AtomID{} // variables that only post has, by the functions that use them
	for _, id := range only(post, twins.Pre, matters) {
		for _, f := range users(post, id) {
			fresh[f] = append(fresh[f], id)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	taken := map[object.AtomID]bool{}
	for _, id := range only(pre, twins.Post, matters) {
		best := Successor{id, object.NoAtom, object.NoAtom}
		for _, f := range users(pre, id) {
			f = twins.Post[f]
			for _, q := range fresh[f] { // none for NoAtom
				if !taken[q] && (best.Post == object.NoAtom || alike(pre, post, id, q) && !alike(pre, post, id, best.Post)) {
					best.Post, best.User = q, f
				}
			}
		}
		if best.Post != object.NoAtom {
			taken[best.Post] = true
			list = append(list, best)
		}
	}
	return list
}

func alike(pre, post *object.Object, p, q object.AtomID) bool {
	return pre.Atoms[p].Size == post.Atoms[q].Size
}

// only lists the variables that matter and have no twin.
func only(o *object.Object, twins []object.AtomID, matters func(*object.Object, object.AtomID) bool) (list []object.AtomID) {
	for i := range o.Atoms {
		if a := &o.Atoms[i]; twins[i] == object.NoAtom && IsState(o, a) && matters(o, a.ID) {
			list = append(list, a.ID)
		}
	}
	return list
}

// IsState reports whether an atom is a variable of the source whose value goes on from one
// function to the next: no flag of a message, and nothing that is read-only once it is linked.
func IsState(o *object.Object, a *object.Atom) bool {
	if a.Kind != object.Data || a.Name == "" || a.Size == 0 || a.IsLiteral() {
		return false
	}
	if r := kerneltab.Of(o.SectionName(a.Section)); !r.HoldsState() || r.Has(kerneltab.RelRO) {
		return false
	}
	_, fresh := object.FreshStem(a.Name)
	return !fresh
}

// users are the functions that refer to an atom, themselves or by their parts.
func users(o *object.Object, id object.AtomID) (list []object.AtomID) {
	for _, u := range o.Users(id) {
		if root := o.Atoms[u].Root(); o.Atoms[u].Kind == object.Func && !slices.Contains(list, root) {
			list = append(list, root)
		}
	}
	return list
}
