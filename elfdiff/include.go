package elfdiff

import (
	"bytes"
	"debug/elf"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/internal/compare"
	"github.com/gosplice/gosplice/elfdiff/internal/correlate"
	"github.com/gosplice/gosplice/elfdiff/internal/extraction"
	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/internal/tables"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/internal/symname"
)

// include finds what travels: the changed functions, and what they refer to
// that the running program does not have. What can't travel is refused.
func (j *judge) include() {
	in := &includer{judge: j, lost: map[string]bool{}, copied: map[object.AtomID]bool{}, kept: map[object.AtomID]bool{}, isSet: map[object.AtomID]bool{}, unset: map[object.AtomID]string{}}
	for _, id := range j.carry {
		in.copied[id] = true
	}
	for i := range j.Pre.Atoms {
		if a := &j.Pre.Atoms[i]; a.Kind == object.Data && j.twins.Post[i] == object.NoAtom && a.Size > 0 {
			in.lost[symname.Variable(a.Name)] = true // "" for data without a name
		}
	}
	for i := range j.Functions {
		in.replaced(&j.Functions[i])
	}
	for i := range j.Data {
		in.object(&j.Data[i])
	}
	in.drain()
	in.typeHashes()
	in.unwinding() // also brings along what the unwinder reads
	in.left()
	in.special()
	in.unknown()
	in.sharedLayout()
	in.indexed()
	in.alignments()
	in.hazards()
	in.keep()
}

type includer struct {
	*judge
	work       []object.AtomID
	shared     []object.AtomID // objects that carried code names through a section symbol
	tableIndex *tables.Index   // of post; made when needed
	// lost holds the names that the source has of writable data that only pre has.
	lost map[string]bool
	// copied are changed constants that travel where something that travels
	// uses them; kept are objects of post that it uses in the running program.
	copied, kept map[object.AtomID]bool
	// isSet are the changed variables whose members are set; unset says why those of
	// others can't be.
	isSet map[object.AtomID]bool
	unset map[object.AtomID]string
}

func (in *includer) add(id object.AtomID) {
	if !in.carried.Included[id] {
		in.carried.Included[id] = true
		in.work = append(in.work, id)
	}
}

// replaced includes a function that is not the same, unless it has run already.
// One that is new, and known to others, may be for another object of the update.
func (in *includer) replaced(ch *verdict.Change) {
	if ch.Post == object.NoAtom || in.past(in.Post, ch.Post) != nil || isPrefixPadding(&in.Post.Atoms[ch.Post]) {
		return
	}
	switch {
	case object.IsTypeHash(&in.Post.Atoms[ch.Post]): // see typeHashes
	case ch.Status == verdict.Changed && (in.Pre.IsReadOnly(ch.Pre) || in.Post.IsReadOnly(ch.Post)):
		in.report(findingAt(in.Post, CodeOpaqueCode, ch.Post, 0, "code reads it, and no branch leads to it: it is data"))
	case ch.Status == verdict.Changed:
		in.add(ch.Post)
	case ch.Status == verdict.New && !in.Post.IsLocal(&in.Post.Atoms[ch.Post]):
		in.foreign(ch)
	}
}

// foreign includes what is new and may be for another object of the update.
func (in *includer) foreign(ch *verdict.Change) {
	in.add(ch.Post)
	if !slices.ContainsFunc(in.Post.Users(ch.Post), func(u object.AtomID) bool { return correlate.ClassOf(&in.Post.Atoms[u]) != 0 }) {
		in.report(findingAt(in.Post, CodeUnused, ch.Post, 0, "it is new, and nothing in this object uses it"))
	}
}

// object includes a data object that is new.
func (in *includer) object(ch *verdict.Change) {
	switch {
	case in.past(in.Post, ch.Post) != nil && !in.isParameter(ch):
	case ch.Status == verdict.New && ch.Kind == object.TLS:
		// refused where it is used
	case ch.Status == verdict.New && in.isHook(ch.Post):
		in.add(ch.Post)
	case ch.Status == verdict.New && in.Post.IsCommon(&in.Post.Atoms[ch.Post]):
		// who uses it has one too
	case ch.Status == verdict.New && !in.Post.IsLocal(&in.Post.Atoms[ch.Post]):
		in.foreign(ch)
	case ch.Status == verdict.Changed:
		if in.updates {
			in.overwrite(ch)
		}
		if in.sets {
			in.initialise(ch)
		}
	}
}

// visit includes what an included atom needs.
func (in *includer) visit(a *object.Atom) {
	if a.Kind == object.Func {
		in.function(a)
		in.described(a)
	}
	if extraction.MayTouch(a) {
		in.neighbours(a)
	}
	for i := range a.Refs {
		in.reference(a, &a.Refs[i])
	}
}

// function checks that a function can be replaced, and includes its cold part.
func (in *includer) function(a *object.Atom) {
	for _, s := range a.Symbols {
		sym := in.Post.Symbol(s)
		inner := sym.Value != a.Offset
		switch t := sym.Type(); {
		case t == elf.STT_GNU_IFUNC && in.twins.Pre[a.ID] != object.NoAtom:
			in.report(findingAt(in.Post, CodeIndirectFunction, a.ID, 0, "%s chooses an implementation when the program starts", sym.Name))
		case t == elf.STT_GNU_IFUNC: // a call of it would be one of the resolver
			in.report(findingAt(in.Post, CodeIndirectFunction, a.ID, 0, "%s is new, and would choose an implementation when a program starts", sym.Name))
		case inner && in.twins.Pre[a.ID] != object.NoAtom && (t == elf.STT_FUNC || sym.Bind() != elf.STB_LOCAL):
			in.report(findingAt(in.Post, CodeEntryPoints, a.ID, sym.Value-a.Offset, "%s is a second entry", sym.Name))
		}
	}
	in.hashed(a)
	if a.Opaque || !amd64.Decodes(a.Bytes) {
		in.report(findingAt(in.Post, CodeOpaqueCode, a.ID, 0, "its code does not decode to its end"))
	}
	if insn.RunsOn(in.Post, a) {
		in.report(findingAt(in.Post, CodeFallsThrough, a.ID, a.Size, "it runs on into what stands behind it"))
	}
	if _, ok := extraction.IslandsOf(a); !ok {
		in.report(findingAt(in.Post, CodeShortBranch, a.ID, 0, "it has short jumps to other functions"))
	}
	parent, cold := symname.ColdParent(a.Name)
	switch {
	case cold && a.Owner == object.NoAtom:
		in.report(findingAt(in.Post, CodeOrphanCold, a.ID, 0, "its parent %s does not refer to it", parent))
	case cold:
		in.add(a.Owner)
	}
	for _, u := range a.Refs {
		if u.Target != object.NoAtom && in.Post.Atoms[u.Target].Owner == a.ID && in.Post.Atoms[u.Target].Kind == object.Func {
			in.add(u.Target)
		}
	}
}

// neighbours includes the anonymous constants that touch a: what seems to be
// several may be one object that is referred to in several places.
func (in *includer) neighbours(a *object.Atom) {
	atoms := in.Post.SectionRange(a.Section)
	for _, id := range [2]object.AtomID{a.ID - 1, a.ID + 1} {
		if id < atoms.Lo || id >= atoms.Hi {
			continue
		}
		b := &in.Post.Atoms[id]
		if extraction.MayTouch(b) && (b.End() == a.Offset || a.End() == b.Offset) {
			in.add(id) // which looks at its own neighbours
		}
	}
}

// reference follows one reference of an included atom.
func (in *includer) reference(a *object.Atom, r *object.Ref) {
	if _, ok := amd64.HowtoOf(r.Type); !ok {
		in.report(findingAt(in.Post, CodeRelocation, a.ID, r.Offset, "relocation type %d", r.Type))
	}
	if r.Target == object.NoAtom {
		if s := in.Post.Symbol(r.Sym); !r.Implicit && s.IsDefined() && !s.Section.IsReserved() {
			in.report(findingAt(in.Post, CodeSpecialSection, a.ID, r.Offset, "it refers to %s", in.Post.SectionName(s.Section)))
		}
		return
	}
	t := &in.Post.Atoms[r.Target]
	if r.Edge && !(a.Kind == object.Unwind && t.Kind == object.LSDA && r.TargetOff == 0) {
		in.edge(a, r)
	}
	in.slot(a, r, t)
	in.yields(a, r, t)
	switch {
	case in.ownEntry(a, r): // it travels too
	case t.Kind == object.Special || t.Kind == object.Unwind || t.Kind == object.Meta:
		in.report(findingAt(in.Post, CodeSpecialSection, a.ID, r.Offset, "it refers to %s", in.Post.SectionName(t.Section)))
	case in.carried.Included[t.ID]:
	case in.past(in.Post, t.ID) != nil && a.Kind != object.Special && !in.staysForExit(a, t):
		in.report(findingAt(in.Post, CodeInitReference, a.ID, r.Offset, "it refers to %s", insn.RefText(in.Post, r)))
	case in.copied[t.ID]:
		in.add(t.ID)
	case t.IsLiteral() || t.Kind == object.LSDA || isCell(in.Post, t.ID):
		in.add(t.ID)
	case in.isIdle(t):
		in.add(t.ID) // nobody has changed it, so that one of the update's own is as good
	case in.twins.Pre[t.ID] != object.NoAtom:
		in.existing(a, r, t)
	case t.Kind == object.TLS:
		in.report(findingAt(in.Post, CodeTLSChanged, a.ID, r.Offset, "%s is new thread-local data", t.Name))
	case t.Kind == object.Data && in.lost[symname.Variable(t.Name)]:
		in.fresh(t)
	default:
		in.add(t.ID)
	}
}

// isIdle reports whether nothing uses a small variable of a program in pre, which matching could not find: it has its initial
// value. A larger one may be meant by a place in front of it.
func (in *includer) isIdle(t *object.Atom) bool {
	pre := in.Pre.Atom(in.twins.Pre[t.ID])
	if in.carried.Tables || pre == nil || pre.Kind != object.Data || t.Kind != object.Data || pre.Size > 8 || pre.Size != t.Size || len(t.Refs) > 0 || !in.Pre.IsLocal(pre) {
		return false
	}
	if name := in.Pre.SectionName(pre.Section); !strings.HasPrefix(name, kerneltab.Data) && !strings.HasPrefix(name, kerneltab.Bss) || !bytes.Equal(pre.Bytes, t.Bytes) {
		return false
	}
	return !slices.ContainsFunc(in.Pre.Users(pre.ID), func(u object.AtomID) bool { return correlate.ClassOf(&in.Pre.Atoms[u]) != 0 })
}

// yields refuses a weak name for what pre knows by another one, and the reverse: where another
// definition took the place of the weak one, both lead to different things.
func (in *includer) yields(a *object.Atom, r *object.Ref, t *object.Atom) {
	pre := in.Pre.Atom(in.twins.Pre[t.ID])
	if pre == nil || a.Kind == object.Unwind || a.Kind == object.Special || t.Kind == object.Func && r.TargetOff != 0 {
		return
	}
	name, known := compare.YieldingName(in.Post, r), compare.YieldingAtom(in.Pre, pre)
	switch {
	case name == known, name == "" && in.carried.Included[t.ID]:
	case name != "":
		in.report(findingAt(in.Post, CodeSharedAddress, a.ID, r.Offset, "it refers to %s by its weak name %s, behind which another definition may stand", pre.Name, name))
	default:
		in.report(findingAt(in.Post, CodeSharedAddress, a.ID, r.Offset, "it refers to %s itself, and pre has only the weak name, behind which another definition may stand", t.Name))
	}
}

// ownEntry reports whether a reference of an included function is to an entry about itself.
func (in *includer) ownEntry(a *object.Atom, r *object.Ref) bool {
	e, ok := tables.At(in.Post, r)
	return ok && in.carried.Tables && isCarried(e.Form.Row) && e.IsOwn(a.ID)
}

// slot refuses what reads the address of a place inside of t from a slot, where no
// symbol of the extracted object can stand for the place: t stays where it is, or
// the place is outside of it.
func (in *includer) slot(a *object.Atom, r *object.Ref, t *object.Atom) {
	if !extraction.BySlot(r) || extraction.Inside(in.Post, r, t) == 0 {
		return
	}
	outside := extraction.Inside(in.Post, r, t) < 0 || uint64(extraction.Inside(in.Post, r, t)) > t.Size
	travels := in.carried.Included[t.ID] || in.copied[t.ID] || t.IsLiteral() || in.twins.Pre[t.ID] == object.NoAtom
	if outside || !travels {
		f := findingAt(in.Post, CodeInnerReference, a.ID, r.Offset, "it reads the address of %s from a slot", insn.RefText(in.Post, r))
		f.Hint = slotHint
		in.report(f)
	}
}

const slotHint = "give what the name stands for an object of its own, or compile pre and post with -fno-pic"

// fresh includes a new variable that may be the continuation of one that pre
// has, and says so.
func (in *includer) fresh(t *object.Atom) {
	f := findingAt(in.Post, CodeAmbiguousStatic, t.ID, 0, "pre has several static variables that it could be")
	if why, ok := object.FreshStem(t.Name); ok || kerneltab.Of(in.Post.SectionName(t.Section)).Has(kerneltab.Once) {
		f = findingAt(in.Post, CodeFreshState, t.ID, 0, "pre has several that it could be (%s)", why)
	}
	in.report(f)
	in.add(t.ID)
}

// existing checks a reference to what stays in the running program.
func (in *includer) existing(a *object.Atom, r *object.Ref, t *object.Atom) {
	if t.Kind == object.Func && r.TargetOff != 0 && !in.sameLayout(t.ID) {
		in.report(findingAt(in.Post, CodeInnerReference, a.ID, r.Offset, "it refers to %s", insn.RefText(in.Post, r)))
	}
	in.kept[t.ID] = true
	if !r.Implicit && in.Post.Symbol(r.Sym).Type() == elf.STT_SECTION && (t.Kind == object.Data || t.Kind == object.Const) {
		in.shared = append(in.shared, t.ID)
	}
}

// sameLayout reports whether an unchanged function is the same byte by byte,
// so that an offset in post is one in the running program.
func (in *includer) sameLayout(post object.AtomID) bool {
	i := in.index[post]
	return i >= 0 && in.list[i].Status == verdict.Same && !slices.ContainsFunc(in.list[i].Incidental, func(r verdict.Reason) bool {
		return r.Code == verdict.ReasonPadding || r.Code == verdict.ReasonJump
	})
}

// edge checks a reference to the border of two objects: either reading gives
// the same address only when the running program has the same neighbours.
func (in *includer) edge(a *object.Atom, r *object.Ref) {
	t := &in.Post.Atoms[r.Target]
	other := t.ID - 1
	if r.TargetOff != 0 {
		other = t.ID + 1
	}
	atoms := in.Post.SectionRange(t.Section)
	if other < atoms.Lo || other >= atoms.Hi || r.TargetOff < 0 {
		return
	}
	p, q := in.twins.Pre[t.ID], in.twins.Pre[other]
	if p != object.NoAtom && q != object.NoAtom && !in.travels(t.ID) && !in.travels(other) {
		x, y := &in.Pre.Atoms[p], &in.Pre.Atoms[q]
		if x.Section == y.Section && y.Offset-x.Offset == in.Post.Atoms[other].Offset-t.Offset {
			return
		}
	}
	in.report(findingAt(in.Post, CodeEdgeReference, a.ID, r.Offset, "it refers to the border of %s and %s",
		insn.Describe(in.Post, t.ID, 0), insn.Describe(in.Post, other, 0)))
}

// travels reports whether an object of post is one of its own for code that travels.
func (in *includer) travels(id object.AtomID) bool { return in.carried.Included[id] || in.copied[id] }

// sharedLayout warns about objects in one section that carried code names by
// their offsets in it, when these are others than in pre: an address in front
// of an object (of arr[i-1]) would be taken for one in its neighbour.
func (in *includer) sharedLayout() {
	seen := map[object.AtomID]bool{}
	for _, id := range in.shared {
		t := &in.Post.Atoms[id]
		r := in.Post.SectionRange(t.Section)
		if seen[r.Lo] || r.Hi-r.Lo < 2 {
			continue
		}
		seen[r.Lo] = true
		home := &in.Pre.Atoms[in.twins.Pre[id]]
		for k := r.Lo; k < r.Hi; k++ {
			b, p := &in.Post.Atoms[k], in.twins.Pre[k]
			if b.IsLiteral() || b.Size == 0 {
				continue
			}
			if p == object.NoAtom || int64(in.Pre.Atoms[p].Offset-home.Offset) != int64(b.Offset-t.Offset) {
				in.report(findingAt(in.Post, CodeLayoutAmbiguous, k, 0, "%s has another layout than in pre, and changed code refers to it by offsets", in.Post.SectionName(t.Section)))
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

// described includes what the entries about an included function refer to.
func (in *includer) described(f *object.Atom) {
	if !in.carried.Tables {
		return
	}
	if in.tableIndex == nil {
		in.tableIndex = tables.Of(in.Post)
		for _, a := range in.tableIndex.Damaged {
			in.report(findingAt(in.Post, CodeSpecialSection, a.ID, 0, "its entries do not have the size that they have in any known kernel"))
		}
	}
	for _, e := range in.tableIndex.Of(f.ID) {
		for k := range e.Refs {
			if k == e.Owner {
				continue
			}
			r := &e.Refs[k]
			if !e.IsText(r) {
				in.reference(e.Table, r)
				continue
			}
			t, lo, hi, ok := tables.TextOf(in.Post, &e, r)
			if !ok {
				in.report(findingAt(in.Post, CodeSpecialSection, e.Table.ID, e.Off, "the entry about %s names no replacement", f.Name))
				continue
			}
			for i := range t.Refs {
				if q := &t.Refs[i]; q.Offset >= lo && q.Offset < hi {
					in.reference(t, q)
				}
			}
		}
	}
}

// becameReadOnly reports whether post may not write to what pre may: the running
// program's variable serves such code as it is.
func (in *includer) becameReadOnly(ch *verdict.Change) bool {
	if in.isPerCPU(ch) {
		return false
	}
	return ch.Kind == object.Const || storageOf(in.Post, &in.Post.Atoms[ch.Post]) == readOnlyStorage
}

// isPerCPU reports whether pre or post has an object in each processor's area.
func (in *includer) isPerCPU(ch *verdict.Change) bool {
	return storageOf(in.Pre, &in.Pre.Atoms[ch.Pre]) == perCPUStorage || storageOf(in.Post, &in.Post.Atoms[ch.Post]) == perCPUStorage
}
