package elfdiff

import (
	"debug/elf"
	"slices"

	"github.com/gosplice/gosplice/internal/amd64"
)

// include finds what travels: the changed functions, and what they refer to
// that the running program does not have. What can't travel is refused.
func (j *judge) include() {
	in := &includer{judge: j, lost: map[string]bool{}, copied: map[AtomID]bool{}, kept: map[AtomID]bool{}, isSet: map[AtomID]bool{}, unset: map[AtomID]string{}}
	for _, id := range j.carry {
		in.copied[id] = true
	}
	for i := range j.Pre.Atoms {
		if a := &j.Pre.Atoms[i]; a.Kind == Data && j.twins.post[i] == NoAtom && a.Size > 0 {
			in.lost[stem(a.Name)] = true // "" for data without a name
		}
	}
	for i := range j.Functions {
		in.replaced(&j.Functions[i])
	}
	for i := range j.Data {
		in.object(&j.Data[i])
	}
	in.drain()
	in.left()
	in.unwinding()
	in.special()
	in.unknown()
	in.sharedLayout()
	in.alignments()
	in.keep()
}

type includer struct {
	*judge
	work       []AtomID
	shared     []AtomID    // objects that carried code names through a section symbol
	tableIndex *entryIndex // of post; made when needed
	// lost holds the stems of writable data that only pre has.
	lost map[string]bool
	// copied are changed constants that travel where something that travels
	// uses them; kept are objects of post that it uses in the running program.
	copied, kept map[AtomID]bool
	// isSet are the changed variables whose members are set; unset says why those of
	// others can't be.
	isSet map[AtomID]bool
	unset map[AtomID]string
}

func (in *includer) add(id AtomID) {
	if !in.included[id] {
		in.included[id] = true
		in.work = append(in.work, id)
	}
}

// replaced includes a function that is not the same, unless it has run already.
// One that is new, and known to others, may be for another object of the update.
func (in *includer) replaced(ch *Change) {
	if ch.Post == NoAtom || in.past(in.Post, ch.Post) != nil || isRoom(&in.Post.Atoms[ch.Post]) {
		return
	}
	switch {
	case ch.Status == Changed && (in.Pre.isReadOnly(ch.Pre) || in.Post.isReadOnly(ch.Post)):
		in.report(in.Post.finding(CodeOpaqueCode, ch.Post, 0, "code reads it, and no branch leads to it: it is data"))
	case ch.Status == Changed:
		in.add(ch.Post)
	case ch.Status == New && !in.Post.isLocal(&in.Post.Atoms[ch.Post]):
		in.foreign(ch)
	}
}

// foreign includes what is new and may be for another object of the update.
func (in *includer) foreign(ch *Change) {
	in.add(ch.Post)
	if !slices.ContainsFunc(in.Post.users.of(ch.Post), func(u AtomID) bool { return classOf(&in.Post.Atoms[u]) != 0 }) {
		in.report(in.Post.finding(CodeUnused, ch.Post, 0, "it is new, and nothing in this object uses it"))
	}
}

// object includes a data object that is new.
func (in *includer) object(ch *Change) {
	switch {
	case in.past(in.Post, ch.Post) != nil:
	case ch.Status == New && ch.Kind == TLS:
		// refused where it is used
	case ch.Status == New && in.isHook(ch.Post):
		in.add(ch.Post)
	case ch.Status == New && in.Post.IsCommon(&in.Post.Atoms[ch.Post]):
		// who uses it has one too
	case ch.Status == New && !in.Post.isLocal(&in.Post.Atoms[ch.Post]):
		in.foreign(ch)
	case ch.Status == Changed:
		if in.updates {
			in.overwrite(ch)
		}
		if in.sets {
			in.initialise(ch)
		}
	}
}

// visit includes what an included atom needs.
func (in *includer) visit(a *Atom) {
	if a.Kind == Func {
		in.function(a)
		in.described(a)
	}
	if mayTouch(a) {
		in.neighbours(a)
	}
	for i := range a.Refs {
		in.reference(a, &a.Refs[i])
	}
}

// function checks that a function can be replaced, and includes its cold part.
func (in *includer) function(a *Atom) {
	for _, s := range a.Symbols {
		sym := in.Post.Symbol(s)
		inner := sym.Value != a.Offset
		switch t := sym.Type(); {
		case t == elf.STT_GNU_IFUNC && in.twins.pre[a.ID] != NoAtom:
			in.report(in.Post.finding(CodeIndirectFunction, a.ID, 0, "%s chooses an implementation when the program starts", sym.Name))
		case inner && in.twins.pre[a.ID] != NoAtom && (t == elf.STT_FUNC || sym.Bind() != elf.STB_LOCAL):
			in.report(in.Post.finding(CodeEntryPoints, a.ID, sym.Value-a.Offset, "%s is a second entry", sym.Name))
		}
	}
	in.hashed(a)
	if a.Opaque || !decodes(a.Bytes) {
		in.report(in.Post.finding(CodeOpaqueCode, a.ID, 0, "its code does not decode to its end"))
	}
	if _, ok := islandsOf(a); !ok {
		in.report(in.Post.finding(CodeShortBranch, a.ID, 0, "it has short jumps to other functions"))
	}
	parent, cold := coldParent(a.Name)
	switch {
	case cold && a.Owner == NoAtom:
		in.report(in.Post.finding(CodeOrphanCold, a.ID, 0, "its parent %s does not refer to it", parent))
	case cold:
		in.add(a.Owner)
	}
	for _, u := range a.Refs {
		if u.Target != NoAtom && in.Post.Atoms[u.Target].Owner == a.ID && in.Post.Atoms[u.Target].Kind == Func {
			in.add(u.Target)
		}
	}
}

// neighbours includes the anonymous constants that touch a: what seems to be
// several may be one object that is referred to in several places.
func (in *includer) neighbours(a *Atom) {
	atoms := in.Post.bySection[a.Section]
	for _, id := range [2]AtomID{a.ID - 1, a.ID + 1} {
		if id < atoms.lo || id >= atoms.hi {
			continue
		}
		b := &in.Post.Atoms[id]
		if mayTouch(b) && (b.End() == a.Offset || a.End() == b.Offset) {
			in.add(id) // which looks at its own neighbours
		}
	}
}

// reference follows one reference of an included atom.
func (in *includer) reference(a *Atom, r *Ref) {
	if _, ok := amd64.HowtoOf(r.Type); !ok {
		in.report(in.Post.finding(CodeRelocation, a.ID, r.Offset, "relocation type %d", r.Type))
	}
	if r.Target == NoAtom {
		if s := in.Post.Symbol(r.Sym); !r.Implicit && s.IsDefined() && !s.Section.IsReserved() {
			in.report(in.Post.finding(CodeSpecialSection, a.ID, r.Offset, "it refers to %s", in.Post.sectionName(s.Section)))
		}
		return
	}
	t := &in.Post.Atoms[r.Target]
	if r.Edge {
		in.edge(a, r)
	}
	in.slot(a, r, t)
	switch {
	case t.Kind == Special || t.Kind == Unwind || t.Kind == Meta:
		in.report(in.Post.finding(CodeSpecialSection, a.ID, r.Offset, "it refers to %s", in.Post.sectionName(t.Section)))
	case in.included[t.ID]:
	case in.past(in.Post, t.ID) != nil && a.Kind != Special:
		in.report(in.Post.finding(CodeInitReference, a.ID, r.Offset, "it refers to %s", in.Post.refText(r)))
	case in.copied[t.ID]:
		in.add(t.ID)
	case isLiteral(t) || t.Kind == LSDA:
		in.add(t.ID)
	case in.twins.pre[t.ID] != NoAtom:
		in.existing(a, r, t)
	case t.Kind == TLS:
		in.report(in.Post.finding(CodeTLSChanged, a.ID, r.Offset, "%s is new thread-local data", t.Name))
	case t.Kind == Data && in.lost[stem(t.Name)]:
		in.fresh(t)
	default:
		in.add(t.ID)
	}
}

// slot refuses what reads the address of a place inside of t from a slot, where no
// symbol of the extracted object can stand for the place: t stays where it is, or
// the place is outside of it.
func (in *includer) slot(a *Atom, r *Ref, t *Atom) {
	if !bySlot(r) || in.Post.inside(r, t) == 0 {
		return
	}
	outside := in.Post.inside(r, t) < 0 || uint64(in.Post.inside(r, t)) > t.Size
	travels := in.included[t.ID] || in.copied[t.ID] || isLiteral(t) || in.twins.pre[t.ID] == NoAtom
	if outside || !travels {
		f := in.Post.finding(CodeInnerReference, a.ID, r.Offset, "it reads the address of %s from a slot", in.Post.refText(r))
		f.Hint = slotHint
		in.report(f)
	}
}

const slotHint = "give what the name stands for an object of its own, or compile pre and post with -fno-pic"

// fresh includes a new variable that may be the continuation of one that pre
// has, and says so.
func (in *includer) fresh(t *Atom) {
	f := in.Post.finding(CodeAmbiguousStatic, t.ID, 0, "pre has several static variables that it could be")
	if why, ok := freshStems[stem(t.Name)]; ok || in.Post.sectionName(t.Section) == onceSection {
		f = in.Post.finding(CodeFreshState, t.ID, 0, "pre has several that it could be (%s)", why)
	}
	in.report(f)
	in.add(t.ID)
}

// existing checks a reference to what stays in the running program.
func (in *includer) existing(a *Atom, r *Ref, t *Atom) {
	if t.Kind == Func && r.TargetOff != 0 && !in.sameLayout(t.ID) {
		in.report(in.Post.finding(CodeInnerReference, a.ID, r.Offset, "it refers to %s", in.Post.refText(r)))
	}
	in.kept[t.ID] = true
	if !r.Implicit && in.Post.Symbol(r.Sym).Type() == elf.STT_SECTION && (t.Kind == Data || t.Kind == Const) {
		in.shared = append(in.shared, t.ID)
	}
}

// sameLayout reports whether an unchanged function is the same byte by byte,
// so that an offset in post is one in the running program.
func (in *includer) sameLayout(post AtomID) bool {
	i := in.index[post]
	return i >= 0 && in.list[i].Status == Same && !slices.ContainsFunc(in.list[i].Incidental, func(r Reason) bool {
		return r.Code == ReasonPadding || r.Code == ReasonJump
	})
}

// edge checks a reference to the border of two objects: either reading gives
// the same address only when the running program has the same neighbours.
func (in *includer) edge(a *Atom, r *Ref) {
	t := &in.Post.Atoms[r.Target]
	other := t.ID - 1
	if r.TargetOff != 0 {
		other = t.ID + 1
	}
	atoms := in.Post.bySection[t.Section]
	if other < atoms.lo || other >= atoms.hi || r.TargetOff < 0 {
		return
	}
	p, q := in.twins.pre[t.ID], in.twins.pre[other]
	if p != NoAtom && q != NoAtom && !in.included[t.ID] && !in.included[other] {
		x, y := &in.Pre.Atoms[p], &in.Pre.Atoms[q]
		if x.Section == y.Section && y.Offset-x.Offset == in.Post.Atoms[other].Offset-t.Offset {
			return
		}
	}
	in.report(in.Post.finding(CodeEdgeReference, a.ID, r.Offset, "it refers to the border of %s and %s",
		in.Post.describe(t.ID, 0), in.Post.describe(other, 0)))
}

// sharedLayout warns about objects in one section that carried code names by
// their offsets in it, when these are others than in pre: an address in front
// of an object (of arr[i-1]) would be taken for one in its neighbour.
func (in *includer) sharedLayout() {
	seen := map[AtomID]bool{}
	for _, id := range in.shared {
		t := &in.Post.Atoms[id]
		r := in.Post.bySection[t.Section]
		if seen[r.lo] || r.hi-r.lo < 2 {
			continue
		}
		seen[r.lo] = true
		home := &in.Pre.Atoms[in.twins.pre[id]]
		for k := r.lo; k < r.hi; k++ {
			b, p := &in.Post.Atoms[k], in.twins.pre[k]
			if isLiteral(b) || b.Size == 0 {
				continue
			}
			if p == NoAtom || int64(in.Pre.Atoms[p].Offset-home.Offset) != int64(b.Offset-t.Offset) {
				in.report(in.Post.finding(CodeLayoutAmbiguous, k, 0, "%s has another layout than in pre, and changed code refers to it by offsets", in.Post.sectionName(t.Section)))
				break
			}
		}
	}
}

// drain visits what was included, and what that includes.
func (in *includer) drain() {
	for len(in.work) > 0 {
		id := in.work[0]
		in.work = in.work[1:]
		in.visit(&in.Post.Atoms[id])
	}
}
