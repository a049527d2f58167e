package elfdiff

import (
	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// leavers are the functions of an object that run when its module is removed, and at no other
// time: the one that the kernel calls, and those that only such functions call. They can be
// carried together.
type leavers struct {
	root object.AtomID // what the kernel calls; NoAtom when the object has no such function
	all  map[object.AtomID]bool
}

func leaversOf(o *object.Object) *leavers {
	return object.Memo(o, func(o *object.Object) *leavers {
		l := &leavers{root: object.NoAtom, all: map[object.AtomID]bool{}}
		l.find(o)
		return l
	})
}

// find marks all that may be one, and takes back what others lead to.
func (l *leavers) find(o *object.Object) {
	for id, a := range o.Functions() {
		if !isExitCode(o, a) || a.Owner != object.NoAtom {
			continue
		}
		if isCalledAtExit(o, a) {
			l.root = id
		}
		l.all[id] = true
	}
	for again := true; again; {
		again = false
		for id := range l.all {
			if !l.belongs(o, id) {
				delete(l.all, id)
				again = true
			}
		}
	}
	if !l.all[l.root] {
		l.root, l.all = object.NoAtom, map[object.AtomID]bool{}
	}
}

// isCalledAtExit reports whether a function is what the kernel calls.
func isCalledAtExit(o *object.Object, a *object.Atom) bool {
	for _, i := range a.Symbols {
		if s := o.Symbol(i); s.Name == kerneltab.ModuleExit && s.Value == a.Offset {
			return true
		}
	}
	return false
}

// belongs reports whether nothing but direct calls from others that belong leads to a
// function. The record that keeps the compiler from dropping the root is for nobody.
func (l *leavers) belongs(o *object.Object, id object.AtomID) bool {
	if id != l.root && !o.IsLocal(&o.Atoms[id]) {
		return false
	}
	for _, u := range o.Users(id) {
		b := &o.Atoms[u]
		switch {
		case b.Kind == object.Special || b.Kind == object.Unwind || b.Kind == object.Meta || b.Root() == id:
			continue
		case b.Kind != object.Func && id == l.root && isExitData(o, b):
			continue
		case b.Kind != object.Func || !l.all[b.Root()]:
			return false
		}
		for i := range b.Refs {
			if r := &b.Refs[i]; r.Target == id && (r.TargetOff != 0 || !object.IsCall(b, r)) {
				return false
			}
		}
	}
	return true
}

func isExitCode(o *object.Object, a *object.Atom) bool {
	return a.Kind == object.Func && classAt(o, a.Section) == kerneltab.Exit
}

// isExitData reports whether an object is for the removal too, and no code refers to it.
func isExitData(o *object.Object, a *object.Atom) bool {
	name := o.SectionName(a.Section)
	return (isDiscarded(name) || classAt(o, a.Section) == kerneltab.Exit) && len(o.Users(a.ID)) == 0
}

func classAt(o *object.Object, s elfobj.SectionIndex) kerneltab.Class {
	if r := kerneltab.Of(o.SectionName(s)); r != nil {
		return r.Class
	}
	return 0
}

// isLeaving reports whether an atom is code that runs when a module is removed, and that
// is carried where it changed: on both sides, where both have it.
func (d *Diff) isLeaving(o *object.Object, id object.AtomID) bool {
	if !d.leaves {
		return false
	}
	root := o.Atoms[id].Root()
	other, twins := d.Post, d.twins.Post
	if o == d.Post {
		other, twins = d.Pre, d.twins.Pre
	}
	twin := twins[root]
	return leaversOf(o).all[root] && (twin == object.NoAtom || leaversOf(other).all[twin])
}

// leaving decides whether code for the removal of the module is carried. It undoes what the
// code for the start did, which has run, or will run as it was when the module is loaded
// later: so that one must not have changed.
func (j *judge) leaving() {
	d := j.Diff
	d.leaves, d.stays = false, ""
	if !d.carried.Tables || !isModule(d.Pre) {
		return
	}
	pre, post := leaversOf(d.Pre), leaversOf(d.Post)
	switch {
	case pre.root == object.NoAtom || post.root == object.NoAtom || d.twins.Post[pre.root] != post.root:
		d.stays = "the function that the kernel calls then is not in both objects, or others lead to it"
	case j.leftAlone(post.root):
		d.stays = "it was accepted that the old code runs"
	case j.startChanged():
		d.stays = "the code for the start changed too, and what that did when it ran is what has to be undone"
	default:
		d.leaves = true
		d.stays = "others than the function that the kernel calls then lead to it"
	}
}

// leftAlone reports whether a person has accepted that the exit function stays as it is: that
// counts also where it could be carried.
func (j *judge) leftAlone(root object.AtomID) bool {
	a := &j.Post.Atoms[root]
	for _, s := range a.Symbols {
		f := findingAt(j.Post, CodeExitCode, root, 0, "")
		if f.Symbol = j.Post.Symbol(s).Name; f.AcceptedBy(j.accept) {
			return true
		}
	}
	return false
}

// startChanged reports whether code or data for the start is not the same.
func (j *judge) startChanged() bool {
	for i := range j.list {
		if ch := &j.list[i]; ch.Status == verdict.Changed && (isStart(j.Pre, ch.Pre) || isStart(j.Post, ch.Post)) {
			return true
		}
	}
	for side, o := range [2]*object.Object{j.Pre, j.Post} {
		for i, twin := range [2][]object.AtomID{j.twins.Post, j.twins.Pre}[side] {
			if a := &o.Atoms[i]; twin == object.NoAtom && !a.IsLiteral() && a.Name != "" && a.Size > 0 && isStart(o, a.ID) {
				return true
			}
		}
	}
	return false
}

// isStart reports whether an atom, or the function it belongs to, is for the start.
func isStart(o *object.Object, id object.AtomID) bool {
	a := &o.Atoms[id]
	return a.Kind != object.Special && a.Kind != object.Meta && a.Kind != object.Unwind &&
		(classAt(o, a.Section) == kerneltab.Start || classAt(o, o.Atoms[a.Root()].Section) == kerneltab.Start)
}

// staysForExit reports whether code for the removal that travels refers to something else for
// the removal that the module has, and keeps as long as it is there.
func (d *Diff) staysForExit(a, t *object.Atom) bool {
	return d.isLeaving(d.Post, a.ID) && classAt(d.Post, t.Section) == kerneltab.Exit && d.twins.Pre[t.ID] != object.NoAtom
}
