package elfdiff

import (
	"strings"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// ReasonCallee says that a function goes with one that it calls.
const ReasonCallee verdict.ReasonCode = "callee"

// traceable returns the functions of an object that have an entry in
// __mcount_loc; nil when the object has no such table.
func traceable(o *object.Object) map[object.AtomID]bool {
	var out map[object.AtomID]bool
	for s := range o.File.SectionsNamed(kerneltab.McountLoc) {
		if out == nil {
			out = map[object.AtomID]bool{}
		}
		r := o.SectionRange(s.Index)
		for id := r.Lo; id < r.Hi; id++ {
			for k := range o.Atoms[id].Refs {
				if t := o.Atoms[id].Refs[k].Target; t != object.NoAtom {
					out[t] = true
				}
			}
		}
	}
	return out
}

// callers has the callers of a changed function travel where it can't be
// replaced itself: bodies of system calls, which are declared inline and so not
// traced, even if the compiler makes functions of them. Where nothing of the object
// is traced, it does so for what the compiler gave other arguments (foo.isra.0): a
// target may have other ways to take over the rest. All that leads to it
// must be direct calls in this object, so that nothing reaches the old one once
// the callers are replaced.
func (s *spread) callers(a *object.Atom) {
	pre := s.twins.Pre[a.ID]
	if !s.carriesTables || pre == object.NoAtom || a.Owner != object.NoAtom || !s.Post.IsLocal(a) {
		return
	}
	if s.traced == nil {
		s.traced = traceable(s.Pre)
	}
	if s.traced == nil && !strings.Contains(a.Name, ".") || s.traced[pre] || !s.onlyCalled(s.Pre, pre) || !s.onlyCalled(s.Post, a.ID) {
		return
	}
	for _, u := range s.Post.Users(a.ID) {
		if b := &s.Post.Atoms[u]; b.Kind == object.Func && s.twins.Pre[u] != object.NoAtom {
			s.add(u, verdict.Reason{Code: ReasonCallee, Detail: "it calls " + a.Name + ", which changed and can't be taken over itself"})
		}
	}
	// A caller that only pre has is gone from post; the running one would go on
	// calling the old function, so that this one has to be refused.
	for _, u := range s.Pre.Users(pre) {
		if s.Pre.Atoms[u].Kind == object.Func && s.twins.Post[u] == object.NoAtom {
			return
		}
	}
	if s.byCallers == nil {
		s.byCallers = map[object.AtomID]bool{}
	}
	s.byCallers[a.ID] = true
}

// onlyCalled reports whether nothing but direct calls, and tables that describe
// the function's own code, refer to it.
func (j *judge) onlyCalled(o *object.Object, id object.AtomID) bool {
	for _, u := range o.Users(id) {
		b := &o.Atoms[u]
		switch {
		case b.Kind == object.Special || b.Kind == object.Unwind || b.Root() == id:
			continue
		case b.Kind != object.Func:
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
