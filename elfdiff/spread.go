package elfdiff

import "debug/elf"

// changed turns the verdict on a pair, and reports whether it was new.
func (j *judge) changed(post AtomID, r Reason) bool {
	i := j.index[post]
	if i < 0 || j.list[i].Status == Changed {
		return false
	}
	j.list[i].Status = Changed
	j.list[i].Reasons = append(j.list[i].Reasons, r)
	return true
}

// spread carries changes on to what has to travel with them.
type spread struct {
	*judge
	work     []AtomID
	cold     map[AtomID][]AtomID // of each function
	identity [2]*identities      // of the constants of pre and post; made when needed
	traced   map[AtomID]bool     // of pre: functions that can be taken over when they are entered
	tainted  map[AtomID]bool     // literals that lead to a changed constant
}

// propagate spreads changes until nothing is added: between a function and its
// cold part, from a function to what holds places inside it, and from a
// constant to what uses it, which needs the copy that travels.
func (j *judge) propagate() {
	s := &spread{judge: j, cold: map[AtomID][]AtomID{}, tainted: map[AtomID]bool{}}
	for i := range j.list {
		if j.list[i].Status == Changed {
			s.work = append(s.work, j.list[i].Post)
		}
	}
	if len(s.work) == 0 {
		return
	}
	for id, a := range j.Post.Functions() {
		if a.Owner != NoAtom {
			s.cold[a.Owner] = append(s.cold[a.Owner], id)
		}
	}
	for len(s.work) > 0 {
		a := &j.Post.Atoms[s.work[0]]
		s.work = s.work[1:]
		switch {
		case j.past(j.Post, a.ID) != nil: // nothing runs it any more
		case a.Kind == Func:
			s.function(a)
		case a.Kind == Const || isLiteral(a):
			s.constant(a)
		}
	}
}

func (s *spread) add(id AtomID, r Reason) {
	if s.changed(id, r) {
		s.work = append(s.work, id)
	}
}

func (s *spread) function(a *Atom) {
	s.callers(a)
	if a.Owner != NoAtom {
		s.add(a.Owner, Reason{Code: ReasonCold, Detail: a.Name + " changed"})
	}
	for _, c := range s.cold[a.ID] {
		s.add(c, Reason{Code: ReasonParent, Detail: a.Name + " changed"})
	}
	for _, u := range s.Post.users.of(a.ID) {
		b := &s.Post.Atoms[u]
		if isLiteral(b) || b.Kind == Unwind || b.Kind == LSDA || b.Kind == Special || b.root() == a.root() {
			continue
		}
		for i := range b.Refs {
			if r := &b.Refs[i]; r.Target == a.ID && r.TargetOff != 0 {
				s.add(u, Reason{
					Code: ReasonTarget, PreOffset: r.Offset, PostOffset: r.Offset,
					Detail: "it refers to " + s.Post.refText(r) + ", inside a function that changed",
				})
				break
			}
		}
	}
}

// constant makes a changed constant travel as a copy, and with it all that
// leads to it, up to the functions. When its address is known to others, or used for
// more than to read it, the copy would be another constant: include refuses it.
func (s *spread) constant(a *Atom) {
	pre := s.twins.pre[a.ID]
	users := s.Post.usersOf(a)
	if len(users) == 0 || pre != NoAtom && s.Pre.Atoms[pre].Kind != Const || s.hasIdentity(pre, a.ID) {
		return
	}
	if !isLiteral(a) {
		s.carry = append(s.carry, a.ID)
	}
	for _, u := range users {
		b := &s.Post.Atoms[u]
		switch {
		case b.Kind == Unwind || b.Kind == Meta:
		case !isLiteral(b):
			s.add(u, Reason{Code: ReasonConstant, Detail: "it uses " + s.Post.describe(a.ID, 0) + ", which changed"})
		case !s.tainted[u]:
			s.tainted[u] = true
			s.work = append(s.work, u)
		}
	}
}

// usersOf lists what refers to a constant, and what may: in a section of
// several objects the address of arr[i-1] looks like one in the object before,
// and the end of arr like the start of the next.
func (o *Object) usersOf(a *Atom) []AtomID {
	users := o.users.of(a.ID)
	r := o.bySection[a.Section]
	if r.hi-r.lo == 1 || a.Anonymous() {
		return users
	}
	users = append([]AtomID(nil), users...)
	for _, n := range [2]AtomID{a.ID - 1, a.ID + 1} {
		if n < r.lo || n >= r.hi {
			continue
		}
		for _, u := range o.users.of(n) {
			if o.mayMean(u, n, a.ID) {
				users = append(users, u)
			}
		}
	}
	return users
}

// mayMean reports whether a reference of user to the atom n through a section
// symbol may mean its neighbour instead.
func (o *Object) mayMean(user, n, neighbour AtomID) bool {
	for i := range o.Atoms[user].Refs {
		r := &o.Atoms[user].Refs[i]
		if r.Target != n || r.Implicit || o.symbols[r.Sym].Type() != elf.STT_SECTION {
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
func (o *Object) exposures() []bool {
	out := make([]bool, len(o.Atoms))
	var work []AtomID
	for i := range o.Atoms {
		a := &o.Atoms[i]
		switch a.Kind {
		case Func, Unwind, Meta:
			continue
		case Const, String, Merge:
			if isLiteral(a) || o.isLocal(a) && !isWalked(o.sectionName(a.Section)) {
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
			if t == NoAtom || out[t] {
				continue
			}
			if k := o.Atoms[t].Kind; k == Const || k.IsLiteral() {
				out[t] = true
				work = append(work, t)
			}
		}
	}
	return out
}
