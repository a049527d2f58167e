package elfdiff

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/elfdiff/internal/correlate"
	"github.com/gosplice/gosplice/elfdiff/internal/hazard"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/types"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/internal/symname"
)

// hazards judges what can be carried as it is, and does harm once it runs.
func (in *includer) hazards() {
	matters := func(o *object.Object, id object.AtomID) bool { return in.past(o, id) == nil && !isCell(o, id) }
	told := in.usedByHooks()
	for _, s := range hazard.Successors(in.Pre, in.Post, &in.twins, matters) {
		if in.carried.Included[s.Post] {
			f := findingAt(in.Post, CodeAmbiguousStatic, s.Post, 0, "it may be what pre calls %s: %s uses the one in pre and the other in post", in.Pre.Atoms[s.Pre].Name, in.Post.Atoms[s.User].Name)
			f.Hint = finding.HintSameName
			in.report(f)
			told[s.Post] = !f.AcceptedBy(in.accept) // who accepts that it starts anew may not know who would have set it
		}
	}
	if in.carried.Tables {
		was, is := hazard.LocksOf(in.Pre, in.Post)
		in.started(told, is)
		in.frames()
		in.pairs(was, is)
		in.otherLock(was, is, told)
		in.toRCU(was, is)
		in.lockForExchange(was, is)
		in.lockOrder(was, is)
		in.storedKeys()
		in.computed()
		in.marks()
		in.memory()
		in.attached()
	} else {
		in.closures()
		in.coroutines()
		in.ordered()
		in.setUpOnce()
	}
	in.callbacks()
}

// started judges variables that changed code for the start uses, which does not run again, and
// that code which travels uses too: it would find them as they are. Not those that are told
// already, or that callbacks set up.
func (in *includer) started(told map[object.AtomID]bool, locks *hazard.Locks) {
	starts := map[object.AtomID]bool{}
	for i := range in.Functions {
		ch := &in.Functions[i]
		if ch.Post == object.NoAtom || ch.Status == verdict.Same {
			continue
		}
		if in.Post.Atoms[ch.Post].Kind != object.Func || !in.isStart(ch.Post, starts) || in.isSetup(ch.Post) {
			continue
		}
		a := &in.Post.Atoms[ch.Post]
		for k := range a.Refs {
			id := a.Refs[k].Target
			if id == object.NoAtom || told[id] || in.past(in.Post, id) != nil || !hazard.IsState(in.Post, &in.Post.Atoms[id]) {
				continue
			}
			switch {
			case locks.IsLock(a, id):
				// the start gives it back, so that it is as its initial value has it, or as it was
			case in.carried.Included[id] && in.twins.Pre[id] == object.NoAtom:
				in.report(findingAt(in.Post, CodeStartState, id, 0, "it is new, and %s uses it, which is for the start", a.Name))
			case in.kept[id] && in.computes(ch):
				in.report(findingAt(in.Post, CodeStartState, id, 0, "%s uses it, which is for the start, and changed: %s", a.Name, ch.Reasons[0]))
			}
		}
		in.registered(a, told, locks)
	}
}

// registered judges variables that a new function would set, or whoever gets a new object, where nothing but code for the
// start leads to it, such as a notifier: that code has run, so that nobody comes to know it.
func (in *includer) registered(start *object.Atom, told map[object.AtomID]bool, locks *hazard.Locks) {
	unknown := func(id object.AtomID) bool {
		return in.twins.Pre[id] == object.NoAtom && !in.carried.Included[id] && in.past(in.Post, id) == nil && !in.Post.Atoms[id].IsLiteral()
	}
	for _, by := range hazard.LedTo(in.Post, start.ID, unknown) {
		a := &in.Post.Atoms[by]
		for k := range a.Refs {
			id := a.Refs[k].Target
			if id == object.NoAtom || told[id] || in.past(in.Post, id) != nil || !hazard.IsState(in.Post, &in.Post.Atoms[id]) || a.Kind == object.Func && locks.IsLock(a, id) {
				continue
			}
			isNew := in.carried.Included[id] && in.twins.Pre[id] == object.NoAtom
			if isNew && hazard.MaySet(in.Post, a, id) || in.kept[id] && hazard.Stores(in.Post, a, id) {
				told[id] = true
				in.report(findingAt(in.Post, CodeStartState, id, 0, "%s would set it, to which nothing leads but %s, which is for the start", a.Name, start.Name))
			}
		}
	}
}

// isStart reports whether a function runs at the start only: it lies in memory that is freed after it, or nothing
// else calls it, or has its address. known has what was asked before.
func (in *includer) isStart(id object.AtomID, known map[object.AtomID]bool) bool {
	is, done := known[id]
	if done {
		return is // of a call in a circle, that it is not
	}
	known[id] = false
	if r := in.past(in.Post, id); r != nil {
		is = r.Class == kerneltab.Start
	} else if a := &in.Post.Atoms[id]; in.Post.IsLocal(a) {
		list := slices.DeleteFunc(slices.Clone(in.Post.Users(id)), func(u object.AtomID) bool {
			return in.Post.Atoms[u].Root() == id || correlate.ClassOf(&in.Post.Atoms[u]) == 0 // tables tell of it
		})
		is = len(list) > 0 && !slices.ContainsFunc(list, func(u object.AtomID) bool {
			b := &in.Post.Atoms[u]
			handsOn := slices.ContainsFunc(b.Refs, func(r object.Ref) bool { return r.Target == id && !object.IsCall(b, &r) })
			return b.Kind != object.Func || handsOn || !in.isStart(b.Root(), known)
		})
	}
	known[id] = is
	return is
}

// computes reports whether a function for the start is new, or does something else, and not the
// same by a function or a variable of another name.
func (in *includer) computes(ch *verdict.Change) bool {
	return ch.Status == verdict.New || ch.Reasons[0].Code != verdict.ReasonReference
}

// isSetup reports whether a function takes an option of the command line: without the option,
// which the running system was not started with, it does nothing.
func (in *includer) isSetup(id object.AtomID) bool {
	return slices.ContainsFunc(in.Post.Users(id), func(u object.AtomID) bool {
		return strings.HasPrefix(in.Post.SectionName(in.Post.Atoms[u].Section), kerneltab.Setup)
	})
}

// usedByHooks marks the variables that callbacks of the patch use, or functions that these call.
func (in *includer) usedByHooks() map[object.AtomID]bool {
	used := map[object.AtomID]bool{}
	var work []object.AtomID
	for i := range in.Post.Atoms {
		if id := object.AtomID(i); in.isHook(id) {
			work = append(work, id)
		}
	}
	for len(work) > 0 {
		a := &in.Post.Atoms[work[len(work)-1]]
		work = work[:len(work)-1]
		for k := range a.Refs {
			id := a.Refs[k].Target
			if id == object.NoAtom || used[id] {
				continue
			}
			used[id] = true
			if in.Post.Atoms[id].Kind == object.Func {
				work = append(work, id)
			}
		}
	}
	return used
}

// The stack of a task in the kernel is small, and nobody knows how deep a call comes.
const (
	largeFrame = 2048 // bytes; what the kernel's build warns of (CONFIG_FRAME_WARN)
	roundFrame = 256  // that a function takes again each time that it comes back to itself
	frameSlack = 128  // by which a frame grows where a compiler allots registers otherwise
)

// frames judges functions that take much more of the stack than before.
func (in *includer) frames() {
	in.rounds()
	for _, b := range in.Post.Functions() {
		if !in.carried.Included[b.ID] {
			continue
		}
		is, was := hazard.FrameOf(b), hazard.Frame{}
		if pre := in.Pre.Atom(in.twins.Pre[b.ID]); pre != nil {
			was = hazard.FrameOf(pre)
		}
		switch {
		case is.Varies && !was.Varies:
			in.report(findingAt(in.Post, CodeDeepStack, b.ID, 0, "how much of the stack it takes depends on values"))
		case is.Size > largeFrame && is.Size > was.Size+frameSlack:
			in.report(findingAt(in.Post, CodeDeepStack, b.ID, 0, "it takes %d bytes of the stack, and took %d", is.Size, was.Size))
		}
	}
}

// rounds judges functions that come back to themselves now, and did not before: nothing says how often.
func (in *includer) rounds() {
	var travel []object.AtomID
	for id, a := range in.Post.Functions() {
		if in.carried.Included[id] {
			travel = append(travel, a.Root())
		}
	}
	for _, r := range hazard.Rounds(in.Post, travel) {
		i := slices.IndexFunc(r.Functions, func(id object.AtomID) bool { return in.carried.Included[id] })
		if i >= 0 && r.Frames > roundFrame && !in.wereRound(r.Functions) {
			in.report(findingAt(in.Post, CodeDeepStack, r.Functions[i], 0, "it calls itself, directly or not, which it did not, and that takes %d bytes of the stack each time", r.Frames))
		}
	}
}

// wereRound reports whether one of some functions of post came back to itself in pre already.
func (in *includer) wereRound(group []object.AtomID) bool {
	was := map[object.AtomID]bool{}
	for _, id := range group {
		if p := in.twins.Pre[id]; p != object.NoAtom {
			was[p] = true
		}
	}
	return slices.ContainsFunc(hazard.Rounds(in.Pre, slices.Sorted(maps.Keys(was))), func(r *hazard.Round) bool {
		return slices.ContainsFunc(r.Functions, func(id object.AtomID) bool { return was[id] })
	})
}

// pairs judges functions that do one half of something, and others that do the other half, where pre and post
// differ: a task may be between the two when it goes over to the new code.
func (in *includer) pairs(was, is *hazard.Locks) {
	for _, f := range in.otherLocks(was, is) {
		in.report(f)
	}
	takers, givers := in.oneSided(was, is)
	for _, g := range givers {
		if i := slices.IndexFunc(takers, func(t half) bool { return g.Completes(t.Half) }); i >= 0 && !(in.moved(&g, givers) && in.moved(&takers[i], takers)) {
			in.report(in.unpaired(&g, takers[i].change.Name))
		}
	}
	in.movedReferences(was, is)
}

// movedReferences judges functions that take or give back a reference which another function took or gave back before: what has been
// through that one already, and comes here later, has it given back twice, or never taken.
func (in *includer) movedReferences(was, is *hazard.Locks) {
	type shift struct {
		hazard.Shift
		change *verdict.Change
	}
	var all []shift
	old, now := hazard.CountsOf(was), hazard.CountsOf(is)
	for ch := range in.travelling() {
		for _, s := range hazard.ShiftsOf(old, now, ch.Pre, ch.Post) {
			all = append(all, shift{s, ch})
		}
	}
	for _, to := range all {
		i := slices.IndexFunc(all, func(from shift) bool { return from.MovesTo(to.Shift) })
		if i < 0 {
			continue
		}
		what := "gives back"
		if to.Taken > 0 {
			what = "takes"
		}
		in.report(findingAt(in.Post, CodeReferencePairs, to.change.Post, 0, "post %s a reference (%s) here, and pre does that in %s: what has been through the old one may come here", what, to.Kind, all[i].change.Name))
	}
}

// Between judges what functions of one object do in halves with those of another one of the same update: a lock or
// a reference that is taken in one and given back in the other, a task that sleeps in one and is woken in the
// other, where pre does neither, or post. What both do in one object is judged by [CompareContext].
func Between(diffs ...*Diff) (list []Finding) {
	type side struct{ takers, givers []half }
	sides := make([]side, len(diffs))
	for i, d := range diffs {
		if d.carried.Tables && d.Changes() > 0 {
			s := &sides[i]
			s.takers, s.givers = d.oneSided(hazard.LocksOf(d.Pre, d.Post))
		}
	}
	for i, d := range diffs {
		for _, g := range sides[i].givers {
			for k := range sides {
				at := slices.IndexFunc(sides[k].takers, func(t half) bool { return diffs[k] != d && g.CompletesFar(t.Half) })
				if at >= 0 {
					list = append(list, d.unpaired(&g, sides[k].takers[at].change.Name+" of another object"))
					break
				}
			}
		}
	}
	return list
}

// travelling are the changed functions that travel.
func (d *Diff) travelling() iter.Seq[*verdict.Change] {
	return func(yield func(*verdict.Change) bool) {
		for i := range d.Functions {
			if ch := &d.Functions[i]; ch.Status == verdict.Changed && d.carried.Included[ch.Post] && !yield(ch) {
				return
			}
		}
	}
}

// A half is what a changed function does of something that takes two.
type half struct {
	hazard.Half
	change *verdict.Change
}

// oneSided lists the halves that only one side has, without the locks that otherLocks tells of.
func (d *Diff) oneSided(was, is *hazard.Locks) (takers, givers []half) {
	old, now := hazard.CountsOf(was), hazard.CountsOf(is)
	for ch := range d.travelling() {
		_, _, told := hazard.OtherHalf(was, is, ch.Pre, ch.Post)
		for _, h := range hazard.HalvesOf(old, now, ch.Pre, ch.Post) {
			switch {
			case h.What == hazard.Lock && told:
			case h.Takes:
				takers = append(takers, half{h, ch})
			default:
				givers = append(givers, half{h, ch})
			}
		}
	}
	return takers, givers
}

// moved reports whether a counter that one side alone has in a function is the one that the other side has elsewhere in
// the structure, where a layout changed, which is judged.
func (d *Diff) moved(h *half, list []half) bool {
	if h.What != hazard.Counter {
		return false
	}
	i := slices.IndexFunc(list, func(x half) bool { return x.change == h.change && x.What == hazard.Counter && x.Gained != h.Gained })
	if i < 0 {
		return false
	}
	by, ok := h.MovedFrom(list[i].Half)
	changed, err := d.Types()
	return ok && err == nil && slices.ContainsFunc(changed, func(t types.Change) bool {
		return t.Kind == types.LayoutChanged && t.Matters() && slices.ContainsFunc(t.Members, func(m types.MemberChange) bool {
			return m.Pre != nil && m.Post != nil && int64(m.Post.Offset)-int64(m.Pre.Offset) == by
		})
	})
}

// otherLocks judges functions that take a lock which others give back, or the reverse, where post has another one.
func (d *Diff) otherLocks(was, is *hazard.Locks) (list []Finding) {
	for ch := range d.travelling() {
		if p, q, differ := hazard.OtherHalf(was, is, ch.Pre, ch.Post); differ {
			list = append(list, findingAt(d.Post, CodeLockPairs, ch.Post, 0, "pre %s, and post %s", p, q))
		}
	}
	return list
}

// memory judges functions that free by another way what another function allocates by another way, or from another place on: what is
// there already was allocated by the old one.
func (in *includer) memory() {
	was, is := hazard.AllocationsOf(in.Pre), hazard.AllocationsOf(in.Post)
	takers, givers := map[hazard.Realloc][]*verdict.Change{}, map[*verdict.Change][]hazard.Realloc{}
	maker := ""
	for ch := range in.travelling() {
		if maker == "" && in.Post.Atoms[ch.Post].Owner == object.NoAtom && is.Allocates(ch.Post) {
			maker = ch.Name
		}
		takes, gives := hazard.Reallocs(was, is, ch.Pre, ch.Post)
		for _, x := range takes {
			takers[x] = append(takers[x], ch)
		}
		givers[ch] = gives
	}
	for ch := range in.travelling() {
		i := slices.IndexFunc(givers[ch], func(x hazard.Realloc) bool { // one that does both, where it fails, frees its own
			return len(takers[x]) > 0 && !slices.Contains(takers[x], ch)
		})
		if i >= 0 {
			x := givers[ch][i]
			in.report(findingAt(in.Post, CodeReferencePairs, ch.Post, 0, "pre frees here what %s has allocated (%s), and post frees it in another way (%s)", takers[x][0].Name, x.Pre, x.Post))
		}
		if places := hazard.FreedBefore(was, is, ch.Pre, ch.Post); len(places) > 0 && maker != "" && !in.relaid() {
			in.report(findingAt(in.Post, CodeReferencePairs, ch.Post, 0, "post frees here what begins before the place of a pointer (%s), and pre does not: what old code has allocated, such as %s, does not begin there", places[0], maker))
		}
	}
}

// attached judges functions that follow a pointer which another function stores in objects now, to memory that it allocates, and did
// not: objects that are there already have none.
func (in *includer) attached() {
	was, is := hazard.AllocationsOf(in.Pre), hazard.AllocationsOf(in.Post)
	old, now := hazard.MembersOf(in.Pre), hazard.MembersOf(in.Post)
	makers := map[string][]*verdict.Change{} // by the places
	for ch := range in.travelling() {
		for _, place := range now.Attaches(old, was, is, ch.Pre, ch.Post) {
			makers[place] = append(makers[place], ch)
		}
	}
	for ch := range in.travelling() {
		for _, place := range slices.Sorted(maps.Keys(makers)) {
			if !slices.Contains(makers[place], ch) && now.Follows(old, ch.Pre, ch.Post, place) && !in.relaid() {
				in.report(findingAt(in.Post, CodeOldObject, ch.Post, 0, "post follows a pointer in objects (%s) to what %s allocates and stores there; pre does neither", place, makers[place][0].Name))
				break
			}
		}
	}
}

// storedKeys judges functions that say where something is stored.
func (in *includer) storedKeys() {
	for ch := range in.travelling() {
		if member := hazard.KeyMember(in.Post, ch.Post); member != "" && hazard.KeyMember(in.Pre, ch.Pre) != "" {
			in.report(findingAt(in.Post, CodeStoredKeys, ch.Post, ch.Reasons[0].PostOffset, "it is %s, which says where something is stored, and changed: %s", member, ch.Reasons[0]))
		}
	}
}

// computed judges functions that compute in another way where something is in an object, or in a table, where several do so alike: one
// for what another one has stored.
func (in *includer) computed() {
	was, is := hazard.ComputedOf(in.Pre), hazard.ComputedOf(in.Post)
	alike, of := map[hazard.Recomputed]int{}, map[*verdict.Change]map[hazard.Recomputed]uint64{}
	for ch := range in.travelling() {
		of[ch] = hazard.Recomputations(was, is, ch.Pre, ch.Post)
		for r := range of[ch] {
			alike[r]++
		}
	}
	for ch := range in.travelling() {
		for _, r := range slices.SortedFunc(maps.Keys(of[ch]), hazard.Recomputed.Compare) {
			if alike[r] > 1 && !in.relaid() {
				in.report(findingAt(in.Post, CodeStoredKeys, ch.Post, of[ch][r], "post computes where something is stored (%s) by %s, and pre by %s; so do others that change", r.Place, r.Post, cmp.Or(r.Pre, "nothing")))
				break
			}
		}
	}
}

// otherLock judges functions that take another lock than before, where nobody took that, or where several go over to it:
// those that still run old code are not kept out. A function that took the wrong lock has others that take the right one.
func (in *includer) otherLock(was, is *hazard.Locks, told map[object.AtomID]bool) {
	type swap struct{ lost, gained string }
	var order []swap
	by := map[swap][]*verdict.Change{}
	for ch := range in.travelling() {
		if _, _, told := hazard.OtherHalf(was, is, ch.Pre, ch.Post); told {
			continue // by otherLocks
		}
		add := func(lost, gained string) {
			x := swap{lost, gained}
			if by[x] = append(by[x], ch); len(by[x]) == 1 {
				order = append(order, x)
			}
		}
		p, q := was.Taken(ch.Pre), is.Taken(ch.Post)
		apart(p, q, add)
		if k, l := was.TakenKinds(ch.Pre), is.TakenKinds(ch.Post); len(p) == 0 || len(q) == 0 { // not told by names
			apart(k, l, add)
		}
	}
	known := map[string]bool{} // variables of which it is told that they begin anew
	for id := range told {
		known[symname.Variable(in.Post.Atoms[id].Name)] = told[id]
	}
	seen := map[*verdict.Change]bool{}
	for _, x := range order {
		if known[x.gained] || len(by[x]) == 1 && was.TakesAny(x.gained) {
			continue
		}
		for _, ch := range by[x] {
			if !seen[ch] {
				seen[ch] = true
				in.report(findingAt(in.Post, CodeOtherLock, ch.Post, 0, "pre takes the lock %s, and post takes %s instead", x.lost, x.gained))
			}
		}
	}
}

// apart calls add with each of what only the one has, and each of what only the other one has.
func apart(p, q map[string]bool, add func(lost, gained string)) {
	for _, lost := range slices.Sorted(maps.Keys(p)) {
		for _, gained := range slices.Sorted(maps.Keys(q)) {
			_, stays := q[lost]
			if _, was := p[gained]; !stays && !was {
				add(lost, gained)
			}
		}
	}
}

// toRCU judges functions that read under RCU now, and were kept out by a lock, where another one waits for readers now: who
// runs the old code of that does not wait.
func (in *includer) toRCU(was, is *hazard.Locks) {
	by := ""
	for ch := range in.travelling() {
		if by == "" && hazard.WaitsForReaders(in.Post, ch.Post) && !hazard.WaitsForReaders(in.Pre, ch.Pre) {
			by = ch.Name
		}
	}
	if by == "" {
		return
	}
	for ch := range in.travelling() {
		if kind := hazard.ToRCU(was, is, ch.Pre, ch.Post); kind != "" {
			in.report(findingAt(in.Post, CodeOtherLock, ch.Post, 0, "pre takes a lock (%s), and post reads under RCU instead, for which %s waits, which it did not", kind, by))
		}
	}
}

// lockForExchange judges functions that take a lock now for what they did by an instruction that exchanges.
func (in *includer) lockForExchange(was, is *hazard.Locks) {
	old, now := hazard.ExchangesOf(in.Pre), hazard.ExchangesOf(in.Post)
	for ch := range in.travelling() {
		if lock, place := hazard.LockForExchange(was, is, old, now, ch.Pre, ch.Post); lock != "" {
			f := findingAt(in.Post, CodeOtherLock, ch.Post, 0, "post takes a lock (%s) for what pre does without one, by an instruction that exchanges what is in memory (%s)", lock, place)
			f.Hint = "let such an instruction do it in new code too, also while that has the lock: old code does not take it"
			in.report(f)
		}
	}
}

// lockOrder judges functions that take two locks in the reverse order, and several that go over to another lock of the objects that
// they are given.
func (in *includer) lockOrder(was, is *hazard.Locks) {
	old, now := hazard.OrdersOf(was), hazard.OrdersOf(is)
	before, after := map[hazard.Order]string{}, map[hazard.Order]bool{}
	moves := map[hazard.Order][]*verdict.Change{}
	for ch := range in.travelling() {
		for o := range old.Of(ch.Pre) {
			if before[o] == "" || ch.Name < before[o] {
				before[o] = ch.Name
			}
		}
		for o := range now.Of(ch.Post) {
			after[o] = true
		}
		for _, o := range hazard.Elsewhere(old, now, ch.Pre, ch.Post) {
			moves[o] = append(moves[o], ch)
		}
	}
	for ch := range in.travelling() {
		orders := now.Of(ch.Post)
		for _, o := range slices.SortedFunc(maps.Keys(orders), hazard.Order.Compare) {
			if other := before[o.Reversed()]; other != "" && before[o] == "" && !after[o.Reversed()] {
				in.report(findingAt(in.Post, CodeLockOrder, ch.Post, orders[o], "post takes a lock (%s) while it has another one (%s), and pre takes them in the reverse order in %s", o.Second, o.First, other))
				break
			}
		}
		for _, o := range slices.SortedFunc(maps.Keys(moves), hazard.Order.Compare) {
			if len(moves[o]) > 1 && slices.Contains(moves[o], ch) && !in.relaid() {
				in.report(findingAt(in.Post, CodeOtherLock, ch.Post, 0, "pre takes a lock of an object (%s), and post takes another one instead (%s), as others do", o.First, o.Second))
				break
			}
		}
	}
}

// relaid reports whether the layout of a structure changed, which is judged: members are elsewhere.
func (d *Diff) relaid() bool {
	changed, err := d.Types()
	return err != nil || slices.ContainsFunc(changed, func(t types.Change) bool { return t.Kind == types.LayoutChanged && t.Matters() })
}

// unpaired says that a function gives back what another one takes, where the other side does neither.
func (d *Diff) unpaired(giver *half, taker string) Finding {
	has, lacks := "post", "pre"
	if !giver.Gained {
		has, lacks = lacks, has
	}
	code, what := CodeReferencePairs, "gives back a reference (%s) here, and takes one"
	switch giver.What {
	case hazard.Memory:
		what = "frees %s here, and allocates it"
	case hazard.Lock:
		code, what = CodeLockPairs, "gives back a lock (%s) here, and takes one"
	case hazard.Sleep:
		code, what = CodeWaitPairs, "wakes (%s) here who waits"
	}
	return findingAt(d.Post, code, giver.change.Post, 0, "%s "+what+" in %s; %s does neither", has, giver.Kind, taker, lacks)
}
