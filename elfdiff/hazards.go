package elfdiff

import (
	"maps"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/elfdiff/internal/correlate"
	"github.com/gosplice/gosplice/elfdiff/internal/flow"
	"github.com/gosplice/gosplice/elfdiff/internal/hazard"
	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/kerneltab"
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
			told[s.Post] = true
		}
	}
	if in.carried.Tables {
		in.started(told)
		in.frames()
		in.pairs()
		in.callbacks()
	}
}

// started judges variables that changed code for the start uses, which does not run again, and
// that code which travels uses too: it would find them as they are. Not those that are told
// already, or that callbacks set up.
func (in *includer) started(told map[object.AtomID]bool) {
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
			case in.carried.Included[id] && in.twins.Pre[id] == object.NoAtom:
				in.report(findingAt(in.Post, CodeStartState, id, 0, "it is new, and %s uses it, which is for the start", a.Name))
			case in.kept[id] && in.computes(ch):
				in.report(findingAt(in.Post, CodeStartState, id, 0, "%s uses it, which is for the start, and changed: %s", a.Name, ch.Reasons[0]))
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
	frameSlack = 128  // by which a frame grows where a compiler allots registers otherwise
)

// frames judges functions that take much more of the stack than before.
func (in *includer) frames() {
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

// pairs judges functions that do one half of something, and others that do the other half, where pre and post
// differ: a task may be between the two when it goes over to the new code.
func (in *includer) pairs() {
	was, is := hazard.LocksOf(in.Pre, in.Post)
	told := in.otherLocks(was, is)
	old, now := hazard.CountsOf(was), hazard.CountsOf(is)
	type half struct {
		hazard.Half
		change *verdict.Change
	}
	var takers, givers []half
	for i := range in.Functions {
		ch := &in.Functions[i]
		if ch.Status != verdict.Changed || !in.carried.Included[ch.Post] {
			continue
		}
		for _, h := range hazard.HalvesOf(old, now, ch.Pre, ch.Post) {
			switch {
			case h.What == hazard.Lock && told[ch.Post]:
			case h.Takes:
				takers = append(takers, half{h, ch})
			default:
				givers = append(givers, half{h, ch})
			}
		}
	}
	for _, g := range givers {
		if i := slices.IndexFunc(takers, func(t half) bool { return g.Completes(t.Half) }); i >= 0 {
			in.unpaired(g.Half, takers[i].change, g.change)
		}
	}
}

// otherLocks judges functions that take a lock which others give back, or the reverse, where post has another one. It
// returns those that are told.
func (in *includer) otherLocks(was, is *hazard.Locks) map[object.AtomID]bool {
	told := map[object.AtomID]bool{}
	for i := range in.Functions {
		ch := &in.Functions[i]
		if ch.Status != verdict.Changed || !in.carried.Included[ch.Post] {
			continue
		}
		if p, q, differ := hazard.OtherHalf(was, is, ch.Pre, ch.Post); differ {
			in.report(findingAt(in.Post, CodeLockPairs, ch.Post, 0, "pre %s, and post %s", p, q))
			told[ch.Post] = true
		}
	}
	return told
}

// unpaired reports that a function gives back what another one takes, where the other side does neither.
func (in *includer) unpaired(h hazard.Half, taker, giver *verdict.Change) {
	has, lacks := "post", "pre"
	if !h.Gained {
		has, lacks = lacks, has
	}
	code, what := CodeReferencePairs, "gives back a reference (%s) here, and takes one"
	switch h.What {
	case hazard.Memory:
		what = "frees %s here, and allocates it"
	case hazard.Lock:
		code, what = CodeLockPairs, "gives back a lock (%s) here, and takes one"
	case hazard.Sleep:
		code, what = CodeWaitPairs, "wakes (%s) here who waits"
	}
	in.report(findingAt(in.Post, code, giver.Post, 0, "%s "+what+" in %s; %s does neither", has, h.Kind, taker.Name, lacks))
}

// callbacks judges functions that post has no more, and whose address pre has given to others, which go on to call
// them: what was registered by that name is not what new code registers.
func (in *includer) callbacks() {
	gone := map[object.AtomID]bool{}
	for i := range in.Functions {
		if ch := &in.Functions[i]; ch.Status == verdict.Removed && in.past(in.Pre, ch.Pre) == nil && !isPrefixPadding(&in.Pre.Atoms[ch.Pre]) {
			gone[ch.Pre] = true
		}
	}
	if len(gone) == 0 {
		return
	}
	t := flow.New(in.Pre).Trace(&flow.Query{
		Functions: func(*object.Atom) bool { return true },
		Atoms:     func(a *object.Atom) bool { return gone[a.ID] },
		Travels:   func(object.AtomID) bool { return false },
	})
	for _, id := range slices.Sorted(maps.Keys(gone)) {
		if e := t.Addr[id].Held(); e != nil && !isBrief(in.Pre, e.At) {
			in.report(findingAt(in.Pre, CodeOldCallback, id, 0, "post has no such function, and in pre its address %s, at %s", e.How, insn.PlaceText(in.Pre.Atoms[e.At.Atom].Name, int64(e.At.Off))))
		}
	}
}

// briefly are functions of the kernel that call what they are given once, and soon
// (kernel/rcu, kernel/smp.c, kernel/task_work.c), or for each of something, and only before they return.
var briefly = []string{
	"call_rcu", "call_rcu_hurry", "call_srcu", "call_rcu_tasks", "call_rcu_tasks_trace", "smp_call_function_single", "smp_call_function_many", "smp_call_function", "on_each_cpu_cond_mask", "task_work_add",
	"xfrm_state_walk", "xfrm_policy_walk", "neigh_for_each", "__neigh_for_each_release", "vlan_for_each", "nf_ct_iterate_cleanup_net", "nf_ct_iterate_destroy", "nf_ct_expect_iterate_net", "nf_ct_expect_iterate_destroy",
	"pci_walk_bus", "pci_for_each_dma_alias", "usb_for_each_dev", "i2c_for_each_dev", "iommu_group_for_each_dev", "acpi_walk_namespace", "acpi_walk_resources", "acpi_get_devices", "dmi_walk",
	"do_proc_dointvec", "do_proc_douintvec", "walk_page_range", "apply_to_page_range", "iterate_mounts", "input_handler_for_each_handle", "power_supply_for_each_device", "thermal_zone_for_each_trip",
}

// isBrief reports whether the code at a place calls one of them.
func isBrief(o *object.Object, at flow.Place) bool {
	a := &o.Atoms[at.Atom]
	return slices.ContainsFunc(a.RefsIn(at.Off, at.Off+amd64.MaxLen), func(r object.Ref) bool {
		return object.IsCall(a, &r) && r.Offset-at.Off < 3 && slices.Contains(briefly, o.Symbol(r.Sym).Name)
	})
}
