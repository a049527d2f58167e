package elfdiff

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/extract"
	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/elfdiff/internal/flow"
	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/amd64"
)

// Kept lists what travels and whose address others may keep, by the places where they
// get it. It is empty without [Options].Tables: for a kernel, memory that is gone must
// not be known to anybody; for a process, a revert looks for such addresses.
func (d *Diff) Kept() []extract.Kept { return d.carried.Keeps }

// keeping finds what others may keep the address of.
type keeping struct {
	*includer
	t       *flow.Traced
	foreign map[string]bool
	seen    map[object.AtomID]bool
	seenSym map[string]bool
	pre     map[string]object.AtomID // literals by content; made when needed
}

// keep finds what travels and whose address may be known when the update is gone.
func (in *includer) keep() {
	if !in.carried.Tables {
		return
	}
	k := &keeping{includer: in, foreign: in.foreignSymbols(), seen: map[object.AtomID]bool{}, seenSym: map[string]bool{}}
	k.t = flow.New(in.Post).Trace(&flow.Query{
		Functions: func(a *object.Atom) bool { return in.carried.Included[a.ID] },
		Atoms:     func(a *object.Atom) bool { return k.moves(a.ID) },
		Symbols:   k.foreign,
		Travels:   k.moves,
	})
	for _, p := range in.carried.InPlace {
		b := &in.Post.Atoms[p.Post]
		for i := range b.Refs {
			k.means(&b.Refs[i], &flow.Escape{At: flow.Place{Atom: b.ID, Off: b.Refs[i].Offset}, How: "is written into " + insn.Describe(in.Post, b.ID, 0) + ", which others know"})
		}
	}
	for i := range in.Post.Atoms {
		k.atom(object.AtomID(i))
	}
	for _, name := range slices.Sorted(maps.Keys(k.t.Syms)) {
		k.symbol(name, k.t.Syms[name].Held())
	}
	k.conclude()
}

// moves reports whether an atom travels, and has no address but there.
func (k *keeping) moves(id object.AtomID) bool {
	a := &k.Post.Atoms[id]
	switch a.Kind {
	case object.Func:
		return k.carried.Included[id] && k.twins.Pre[id] == object.NoAtom && a.Owner == object.NoAtom
	case object.Data, object.Const, object.String, object.Merge, object.TLS:
		return k.carried.Included[id] && !a.Jumps && !a.Aside
	}
	return false
}

// foreignSymbols are those that post does not define, and pre does not know: another
// object of the update may bring them along.
func (in *includer) foreignSymbols() map[string]bool {
	known := map[string]bool{}
	for i := range in.Pre.Symbols() {
		known[in.Pre.Symbols()[i].Name] = true
	}
	out := map[string]bool{}
	for i := range in.Post.Symbols() {
		if s := &in.Post.Symbols()[i]; s.Section == elfobj.SecUndef && s.Name != "" && !known[s.Name] {
			out[s.Name] = true
		}
	}
	return out
}

// atom notes what becomes of the address of one, and of what it holds.
func (k *keeping) atom(id object.AtomID) {
	if f := k.t.Addr[id]; f != nil && k.moves(id) {
		k.add(id, f.Held())
	}
	if f := k.t.Inner[id]; f.Held() != nil {
		k.holds(id, f.Held())
	}
	f := k.t.Deep[id]
	if f.Held() == nil {
		return
	}
	met := map[object.AtomID]bool{id: true}
	for work := k.led(id); len(work) > 0; {
		next := work[len(work)-1]
		work = work[:len(work)-1]
		if !met[next] {
			met[next] = true
			k.holds(next, f.Held())
			work = append(work, k.led(next)...)
		}
	}
}

// holds notes the escape of what an atom holds.
func (k *keeping) holds(id object.AtomID, e *flow.Escape) {
	a := &k.Post.Atoms[id]
	for i := range a.Refs {
		k.means(&a.Refs[i], e)
	}
	for _, to := range k.t.Into[id] {
		k.add(to, e)
	}
	for _, name := range k.t.IntoSyms[id] {
		k.symbol(name, e)
	}
}

// led lists what travels and an atom leads to.
func (k *keeping) led(id object.AtomID) (list []object.AtomID) {
	for _, r := range k.Post.Atoms[id].Refs {
		if r.Target != object.NoAtom && k.moves(r.Target) {
			list = append(list, r.Target)
		}
	}
	return append(list, k.t.Into[id]...)
}

// means notes the escape of what a reference means.
func (k *keeping) means(r *object.Ref, e *flow.Escape) {
	switch {
	case r.Target != object.NoAtom:
		k.add(r.Target, e)
	case !r.Implicit:
		k.symbol(k.Post.Symbol(r.Sym).Name, e)
	}
}

func (k *keeping) add(id object.AtomID, e *flow.Escape) {
	if e == nil || k.seen[id] || !k.moves(id) {
		return
	}
	k.seen[id] = true
	name := insn.RefText(k.Post, &object.Ref{Target: id})
	k.carried.Keeps = append(k.carried.Keeps, extract.Kept{Post: id, Name: name, Where: e.At.Atom, Offset: e.At.Off, How: e.How, Pre: k.original(id)})
}

func (k *keeping) symbol(name string, e *flow.Escape) {
	if e == nil || k.seenSym[name] || !k.foreign[name] {
		return
	}
	k.seenSym[name] = true
	k.carried.Keeps = append(k.carried.Keeps, extract.Kept{Post: object.NoAtom, Symbol: name, Name: name, Where: e.At.Atom, Offset: e.At.Off, How: e.How, Pre: object.NoAtom})
}

// original returns a literal of pre with the content of one of post.
func (k *keeping) original(id object.AtomID) object.AtomID {
	if !isOriginal(&k.Post.Atoms[id]) {
		return object.NoAtom
	}
	if k.pre == nil {
		k.pre = map[string]object.AtomID{}
		for i := range k.Pre.Atoms {
			if a := &k.Pre.Atoms[i]; isOriginal(a) {
				k.pre[string(a.Bytes)] = a.ID
			}
		}
	}
	if pre, ok := k.pre[string(k.Post.Atoms[id].Bytes)]; ok {
		return pre
	}
	return object.NoAtom
}

// isOriginal reports whether another literal with the same content is as good: texts,
// as compilers make them of literals and of names of functions.
func isOriginal(a *object.Atom) bool {
	return a.IsLiteral() && (a.Kind == object.String || a.Kind == object.Const && !a.Anonymous()) && len(a.Refs) == 0 && !a.NoBits && !a.Aside
}

// conclude sorts what is kept, and reports what has no address that stays.
func (k *keeping) conclude() {
	slices.SortFunc(k.carried.Keeps, func(a, b extract.Kept) int {
		return cmp.Or(cmp.Compare(a.Where, b.Where), cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Post, b.Post), strings.Compare(a.Symbol, b.Symbol))
	})
	for i := range k.carried.Keeps {
		if x := &k.carried.Keeps[i]; x.Post != object.NoAtom && x.Pre == object.NoAtom {
			k.report(findingAt(k.Post, CodeAddressKept, x.Where, x.Offset, "%s", x))
		}
	}
}

// callbacks judges functions that post has no more, and whose address pre has given to others, which go on to call
// them: what was registered by that name is not what new code registers; and those whose address post gives to nobody. In a
// program it is judged where post may have a new version of it.
func (in *includer) callbacks() {
	gone, handed := map[object.AtomID]bool{}, in.handed()
	for i := range in.Functions {
		if ch := &in.Functions[i]; ch.Status == verdict.Removed && (in.carried.Tables || in.twins.Doubted[ch.Pre]) && in.past(in.Pre, ch.Pre) == nil && !isPrefixPadding(&in.Pre.Atoms[ch.Pre]) {
			gone[ch.Pre] = true
		}
	}
	if len(gone)+len(handed) == 0 {
		return
	}
	t := flow.New(in.Pre).Trace(&flow.Query{
		Functions: func(*object.Atom) bool { return true },
		Atoms:     func(a *object.Atom) bool { return gone[a.ID] || handed[a.ID] != nil },
		Travels:   func(object.AtomID) bool { return false },
	})
	for _, id := range slices.Sorted(maps.Keys(t.Addr)) {
		e := t.Addr[id].Held()
		switch {
		case e == nil:
		case handed[id] != nil && callsAt(in.Pre, e.At, isMaker):
			f := findingAt(in.Post, CodeOldObject, handed[id].Post, 0, "it makes the objects of a cache, by %s, and changed: those that are free there were made by the old one", insn.PlaceText(in.Pre.Atoms[e.At.Atom].Name, int64(e.At.Off)))
			f.Hint, f.Accept = finding.HintMade, "objects that are free when the update is applied are used as the old one has made them"
			in.report(f)
		case gone[id] && !callsAt(in.Pre, e.At, isBrief):
			in.report(in.oldCallback(id, e, false))
		case handed[id] != nil && in.onlyCalled(in.Post, handed[id].Post) && !callsAt(in.Pre, e.At, isBrief):
			in.report(in.oldCallback(id, e, true))
		}
	}
}

// handed are the changed functions of which others may have the address, by what they are in pre, as far as that matters: where
// post does nothing but to call one, what is given to others now is another function, and those that have the old one already do
// not expect what it has become; and where the object has caches of objects made, any may be what makes them.
func (in *includer) handed() map[object.AtomID]*verdict.Change {
	list := map[object.AtomID]*verdict.Change{}
	if !in.carried.Tables {
		return list
	}
	makes := slices.ContainsFunc(in.Pre.Symbols(), func(s elfobj.Symbol) bool { return isMaker(s.Name) })
	for ch := range in.travelling() {
		if (makes || in.onlyCalled(in.Post, ch.Post)) && !in.onlyCalled(in.Pre, ch.Pre) {
			list[ch.Pre] = ch
		}
	}
	return list
}

// oldCallback is the finding about a function of pre whose address gets out.
func (in *includer) oldCallback(id object.AtomID, e *flow.Escape, demoted bool) Finding {
	what, hint, accept := "post has no such function", "", ""
	switch {
	case in.twins.Doubted[id]:
		what, hint = "post has others of its kind, and nothing tells which of them it is", "put new closures behind those that the function has"
	case demoted:
		what, hint, accept = "it changed, and post hands its address to nobody", finding.HintOldMeaning, "who has its address already calls the new one, which others call for something else"
	}
	f := findingAt(in.Pre, CodeOldCallback, id, 0, "%s, and in pre its address %s, at %s", what, e.How, insn.PlaceText(in.Pre.Atoms[e.At.Atom].Name, int64(e.At.Off)))
	f.Hint, f.Accept = cmp.Or(hint, f.Hint), cmp.Or(accept, f.Accept)
	return f
}

// briefly are functions of the kernel that call what they are given once, and soon
// (kernel/rcu, kernel/smp.c, kernel/task_work.c), or for each of something, and only before they return.
var briefly = []string{
	"call_rcu", "call_rcu_hurry", "call_srcu", "call_rcu_tasks", "call_rcu_tasks_trace", "smp_call_function_single", "smp_call_function_many", "smp_call_function", "on_each_cpu_cond_mask", "task_work_add",
	"xfrm_state_walk", "xfrm_policy_walk", "neigh_for_each", "__neigh_for_each_release", "vlan_for_each", "nf_ct_iterate_cleanup_net", "nf_ct_iterate_destroy", "nf_ct_expect_iterate_net", "nf_ct_expect_iterate_destroy",
	"pci_walk_bus", "pci_for_each_dma_alias", "usb_for_each_dev", "i2c_for_each_dev", "iommu_group_for_each_dev", "acpi_walk_namespace", "acpi_walk_resources", "acpi_get_devices", "dmi_walk",
	"do_proc_dointvec", "do_proc_douintvec", "walk_page_range", "apply_to_page_range", "iterate_mounts", "input_handler_for_each_handle", "power_supply_for_each_device", "thermal_zone_for_each_trip",
}

// isBrief reports whether a function is one of them.
func isBrief(name string) bool { return slices.Contains(briefly, name) }

// isMaker reports whether a function of the kernel makes a cache of objects, with a function that makes each of them once, before it is
// used first (include/linux/slab.h).
func isMaker(name string) bool {
	return strings.HasPrefix(name, "kmem_cache_create") || name == "__kmem_cache_create_args"
}

// callsAt reports whether the code at a place calls a function of another object, by its name.
func callsAt(o *object.Object, at flow.Place, is func(name string) bool) bool {
	a := &o.Atoms[at.Atom]
	return slices.ContainsFunc(a.RefsIn(at.Off, at.Off+amd64.MaxLen), func(r object.Ref) bool {
		return object.IsCall(a, &r) && r.Offset-at.Off < 3 && is(o.Symbol(r.Sym).Name)
	})
}
