package elfdiff

import (
	"cmp"
	"debug/elf"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/extract"
	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// changed turns the verdict on a pair, and reports whether it was new.
func (j *judge) changed(post object.AtomID, r verdict.Reason) bool {
	i := j.index[post]
	if i < 0 || j.list[i].Status == verdict.Changed {
		return false
	}
	j.list[i].Status = verdict.Changed
	j.list[i].Reasons = append(j.list[i].Reasons, r)
	return true
}

// spread carries changes on to what has to travel with them.
type spread struct {
	*judge
	work     []object.AtomID
	cold     map[object.AtomID][]object.AtomID // of each function
	identity [2]*identities                    // of the constants of pre and post; made when needed
	traced   map[object.AtomID]bool            // of pre: functions that can be taken over when they are entered
	tainted  map[object.AtomID]bool            // literals that lead to a changed constant
}

// propagate spreads changes until nothing is added: between a function and its
// cold part, from a function to what holds places inside it, and from a
// constant to what uses it, which needs the copy that travels.
func (j *judge) propagate() {
	s := &spread{judge: j, cold: map[object.AtomID][]object.AtomID{}, tainted: map[object.AtomID]bool{}}
	for i := range j.list {
		if j.list[i].Status == verdict.Changed {
			s.work = append(s.work, j.list[i].Post)
		}
	}
	if len(s.work) == 0 {
		return
	}
	for id, a := range j.Post.Functions() {
		if a.Owner != object.NoAtom {
			s.cold[a.Owner] = append(s.cold[a.Owner], id)
		}
	}
	for len(s.work) > 0 {
		a := &j.Post.Atoms[s.work[0]]
		s.work = s.work[1:]
		switch {
		case j.past(j.Post, a.ID) != nil: // nothing runs it any more
		case a.Kind == object.Func:
			s.function(a)
		case a.Kind == object.Const || a.IsLiteral():
			s.constant(a)
		}
	}
}

func (s *spread) add(id object.AtomID, r verdict.Reason) {
	if s.changed(id, r) {
		s.work = append(s.work, id)
	}
}

func (s *spread) function(a *object.Atom) {
	s.callers(a)
	if a.Owner != object.NoAtom {
		s.add(a.Owner, verdict.Reason{Code: verdict.ReasonCold, Detail: a.Name + " changed"})
	}
	for _, c := range s.cold[a.ID] {
		s.add(c, verdict.Reason{Code: verdict.ReasonParent, Detail: a.Name + " changed"})
	}
	for _, u := range s.Post.Users(a.ID) {
		b := &s.Post.Atoms[u]
		if b.IsLiteral() || b.Kind == object.Unwind || b.Kind == object.LSDA || b.Kind == object.Special || b.Root() == a.Root() {
			continue
		}
		for i := range b.Refs {
			if r := &b.Refs[i]; r.Target == a.ID && r.TargetOff != 0 {
				s.add(u, verdict.Reason{
					Code: verdict.ReasonTarget, PreOffset: r.Offset, PostOffset: r.Offset,
					Detail: "it refers to " + insn.RefText(s.Post, r) + ", inside a function that changed",
				})
				break
			}
		}
	}
}

// constant makes a changed constant travel as a copy, and with it all that
// leads to it, up to the functions. When its address is known to others, or used for
// more than to read it, the copy would be another constant: include refuses it.
func (s *spread) constant(a *object.Atom) {
	pre := s.twins.Pre[a.ID]
	users := usersOf(s.Post, a)
	if len(users) == 0 || pre != object.NoAtom && s.Pre.Atoms[pre].Kind != object.Const || s.hasIdentity(pre, a.ID) {
		return
	}
	if !a.IsLiteral() {
		s.carry = append(s.carry, a.ID)
	}
	for _, u := range users {
		b := &s.Post.Atoms[u]
		switch {
		case b.Kind == object.Unwind || b.Kind == object.Meta:
		case !b.IsLiteral():
			s.add(u, verdict.Reason{Code: verdict.ReasonConstant, Detail: "it uses " + insn.Describe(s.Post, a.ID, 0) + ", which changed"})
		case !s.tainted[u]:
			s.tainted[u] = true
			s.work = append(s.work, u)
		}
	}
}

// usersOf lists what refers to a constant, and what may: in a section of
// several objects the address of arr[i-1] looks like one in the object before,
// and the end of arr like the start of the next.
func usersOf(o *object.Object, a *object.Atom) []object.AtomID {
	users := o.Users(a.ID)
	r := o.SectionRange(a.Section)
	if r.Hi-r.Lo == 1 || a.Anonymous() {
		return users
	}
	users = append([]object.AtomID(nil), users...)
	for _, n := range [2]object.AtomID{a.ID - 1, a.ID + 1} {
		if n < r.Lo || n >= r.Hi {
			continue
		}
		for _, u := range o.Users(n) {
			if mayMean(o, u, n, a.ID) {
				users = append(users, u)
			}
		}
	}
	return users
}

// mayMean reports whether a reference of user to the atom n through a section
// symbol may mean its neighbour instead.
func mayMean(o *object.Object, user, n, neighbour object.AtomID) bool {
	for i := range o.Atoms[user].Refs {
		r := &o.Atoms[user].Refs[i]
		if r.Target != n || r.Implicit || o.Symbols()[r.Sym].Type() != elf.STT_SECTION {
			continue
		}
		if n < neighbour && r.TargetOff > 0 || n > neighbour && (r.Edge || r.TargetOff < 0) {
			return true
		}
	}
	return false
}

// exposures finds the constants that others than functions of the object can
// see: by their names or as entries of a table, through data, or through such a
// constant.
func exposures(o *object.Object) []bool {
	out := make([]bool, len(o.Atoms))
	var work []object.AtomID
	for i := range o.Atoms {
		a := &o.Atoms[i]
		switch a.Kind {
		case object.Func, object.Unwind, object.Meta:
			continue
		case object.Const, object.String, object.Merge:
			if a.IsLiteral() || o.IsLocal(a) && !isWalked(o.SectionName(a.Section)) {
				continue
			}
			out[i] = true
		}
		work = append(work, a.ID)
	}
	for len(work) > 0 {
		a := &o.Atoms[work[len(work)-1]]
		work = work[:len(work)-1]
		for i := range a.Refs {
			t := a.Refs[i].Target
			if t == object.NoAtom || out[t] {
				continue
			}
			if k := o.Atoms[t].Kind; k == object.Const || k.IsLiteral() {
				out[t] = true
				work = append(work, t)
			}
		}
	}
	return out
}

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
	if !s.carried.Tables || pre == object.NoAtom || a.Owner != object.NoAtom || !s.Post.IsLocal(a) {
		return
	}
	if s.traced == nil {
		s.traced = traceable(s.Pre)
	}
	if s.traced == nil && !strings.Contains(a.Name, ".") || s.traced[pre] || !s.onlyCalled(s.Pre, pre) || !s.onlyCalled(s.Post, a.ID) || insn.IsRunInto(s.Pre, s.Pre.Atom(pre)) {
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
	if s.carried.ByCallers == nil {
		s.carried.ByCallers = map[object.AtomID]bool{}
	}
	s.carried.ByCallers[a.ID] = true
}

// ByCallers reports whether a function of post takes effect by its callers alone, which are replaced:
// calls of the old one lead nowhere else.
func (d *Diff) ByCallers(post object.AtomID) bool { return d.carried.ByCallers[post] }

// TailCalled lists the functions of pre that take effect by their callers, and that one of these
// reaches by a jump at its end: then nothing of the caller is on the stack of who sleeps there, and
// what looks for replaced functions on stacks does not see it.
func (d *Diff) TailCalled() (list []extract.TailCall) {
	for post := range d.carried.ByCallers {
		t := extract.TailCall{Function: d.twins.Pre[post]}
		for _, u := range d.Pre.Users(t.Function) {
			a := d.Pre.Atom(u)
			if root := a.Root(); jumpsTo(a, t.Function) && !slices.Contains(t.Callers, root) {
				t.Callers = append(t.Callers, root)
			}
		}
		if len(t.Callers) > 0 {
			list = append(list, t)
		}
	}
	slices.SortFunc(list, func(a, b extract.TailCall) int { return cmp.Compare(a.Function, b.Function) })
	return list
}

// jumpsTo reports whether a function has a jump to the start of another.
func jumpsTo(a *object.Atom, to object.AtomID) bool {
	return slices.ContainsFunc(a.Refs, func(r object.Ref) bool { return r.Target == to && object.IsJump(a, &r) })
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
