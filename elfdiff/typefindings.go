package elfdiff

import (
	"maps"
	"slices"
	"sync"

	"github.com/gosplice/gosplice/elfdiff/internal/debug"
	"github.com/gosplice/gosplice/elfdiff/internal/hazard"
	"github.com/gosplice/gosplice/elfdiff/internal/typediff"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/types"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/symname"
)

// meaning reports the types that changed in a way that matters.
func (j *judge) meaning() {
	for _, f := range j.typeFindings() {
		j.report(f)
	}
}

func (d *Diff) typeFindings() []Finding {
	list, err := d.Types()
	if err != nil {
		f := newFinding(CodeNoTypes)
		f.Message = err.Error()
		return []Finding{f}
	}
	var out []Finding
	for i := range list {
		if list[i].Matters() {
			out = append(out, list[i].Finding())
		}
	}
	return out
}

// marks judges functions that put another number into memory than pre, or ask for it there, where others do the other half with the same
// numbers: what has been put there already has the old one. No debug information tells of what the preprocessor has given a name.
func (in *includer) marks() {
	put, asked := map[hazard.Mark]bool{}, map[hazard.Mark]bool{}
	of := map[*verdict.Change][]hazard.Mark{}
	for ch := range in.travelling() {
		puts, asks := hazard.MarksOf(in.Post, ch.Post).Moved(hazard.MarksOf(in.Pre, ch.Pre))
		of[ch] = slices.Concat(puts, asks)
		for _, m := range puts {
			put[m] = true
		}
		for _, m := range asks {
			asked[m] = true
		}
	}
	if in.typed && slices.ContainsFunc(in.typeFindings(), func(f Finding) bool { return f.Code == CodeTypeEnum || f.Code == CodeTypeConstant }) {
		return // which is what may be behind it
	}
	for ch := range in.travelling() {
		if i := slices.IndexFunc(of[ch], func(m hazard.Mark) bool { return put[m] && asked[m] }); i >= 0 {
			in.report(findingAt(in.Post, CodeTypeConstant, ch.Post, 0, "it puts into memory, or asks for, %s; what is there already has the old one", of[ch][i]))
		}
	}
}

// closures judges closures of which nothing tells whether they capture what they did: others call the old ones with the
// new code.
func (in *includer) closures() {
	if HasTypes(in.Pre) && HasTypes(in.Post) {
		return // types tell, inner ones too
	}
	changed := in.changedFunctions()
	same := func(id object.AtomID) bool { _, ok := changed[id]; return !ok && in.twins.Post[id] != object.NoAtom }
	for _, k := range hazard.Closures(in.Pre, in.Post, changed, same) {
		made := "and nothing tells what it has captured"
		if k.Maker != object.NoAtom {
			made = "and " + in.Pre.Atoms[k.Maker].Name + ", which makes such closures, has changed too: nothing tells whether they capture the same"
		}
		f := findingAt(in.Post, CodeTypeLayout, changed[k.Pre], 0, "its address is handed on, so that others may have a closure that is made already, %s", made)
		f.Hint = "compile pre and post with -g, to have what they capture compared"
		in.report(f)
	}
}

// coroutines judges changed coroutines: those that are suspended go on in the new code, with their frame and at a place
// that the old code has given them.
func (in *includer) coroutines() {
	changed := in.changedFunctions()
	for _, pre := range slices.Sorted(maps.Keys(changed)) {
		post := changed[pre]
		if a := &in.Post.Atoms[post]; symname.IsCoroutine(a.Name) && !hazard.AlikeButConstants(in.Pre, in.Post, pre, post) {
			f := findingAt(in.Post, CodeTypeLayout, post, 0, "it is a coroutine: those that are suspended go on in it with the frame of the old one, at the place of that number")
			f.Hint = "change a function that it calls, or accept it where none is suspended"
			in.report(f)
		}
	}
}

// ordered judges functions by which what is stored in a container is found again.
func (in *includer) ordered() {
	changed := map[object.AtomID]uint64{}
	for ch := range in.travelling() {
		if len(ch.Reasons) > 0 {
			changed[ch.Post] = ch.Reasons[0].PostOffset
		}
	}
	for _, x := range hazard.Lookups(in.Post, changed) {
		f := findingAt(in.Post, CodeStoredKeys, x.Function, x.Offset, "%s goes by it, and finds what is stored there by the old one", x.By)
		f.Hint = "have a type of another name with the new order, for containers that begin with it; or accept it where none lives on that has something in it"
		in.report(f)
	}
}

// setUpOnce judges code that sets a static variable up when it is used first, and has another constant, or calls something else.
func (in *includer) setUpOnce() {
	for ch := range in.travelling() {
		was := hazard.OnceOf(in.Pre, ch.Pre)
		for _, x := range hazard.OnceOf(in.Post, ch.Post) {
			i := slices.IndexFunc(was, func(p hazard.Once) bool { return in.twins.Pre[x.Guard] == p.Guard })
			if i >= 0 && !x.Alike(&was[i]) {
				f := findingAt(in.Post, CodeStartState, ch.Post, x.At, "what sets a static variable up when it is used first (%s) has changed: one that is set up stays as it is", in.Post.Atoms[x.Guard].Name)
				f.Hint = "set the variable in code that runs again, or give it another name, where it may begin anew"
				in.report(f)
			}
		}
	}
}

// changedFunctions has the changed functions of post, by those of pre.
func (in *includer) changedFunctions() map[object.AtomID]object.AtomID {
	m := map[object.AtomID]object.AtomID{}
	for i := range in.Functions {
		if ch := &in.Functions[i]; ch.Status == verdict.Changed {
			m[ch.Pre] = ch.Post
		}
	}
	return m
}

// TypeFindings returns what [Options].Types would have reported, for a target that
// has to know it: nothing when the comparison had that option, since its findings
// and refusals are in the diff.
func (d *Diff) TypeFindings() []Finding {
	if d.typed {
		return nil
	}
	return d.typeFindings()
}

// Types compares the types that pre and post use, the signatures of the
// functions that changed ones call, and constants without a place in memory. It
// lists what means something else in post, in the order of pre's debug
// information; what no changed function or data object can reach comes without
// [types.Change].Uses.
//
// Types are paired by name: struct foo of pre is struct foo of post. A type that
// only one side has, or only declares, has no other meaning. Typedefs and
// qualifiers make no difference: u32 is unsigned int.
//
// When nothing changed there is nothing to compare, and the list is empty. When
// one side has no debug information about types, or it is damaged, the error is
// [types.ErrNoTypes].
//
// The comparison is made once; the list must not be changed.
func (d *Diff) Types() ([]types.Change, error) {
	if d.Changes() == 0 {
		return nil, nil
	}
	d.types.once.Do(func() {
		d.types.list, d.types.err = d.typedPair().Compare()
	})
	return d.types.list, d.types.err
}

// typeChanges are the changed types, once they were asked for.
type typeChanges struct {
	once sync.Once
	list []types.Change
	err  error
}

// HasTypes reports whether the object has debug information that may be about
// types.
func HasTypes(o *object.Object) bool { return given(o) && debug.Info(o).HasEntries() }

// typedPair is what the comparison of types has to know of the diff.
func (d *Diff) typedPair() *typediff.Pair {
	return &typediff.Pair{Pre: d.Pre, Post: d.Post, Functions: d.Functions, Data: d.Data, PreOf: d.twins.Pre, ByCallers: d.carried.ByCallers}
}
