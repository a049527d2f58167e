package elfdiff

import (
	"slices"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/internal/compare"
	"github.com/gosplice/gosplice/elfdiff/internal/correlate"
	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// past returns the row for an atom that has no bearing on a kernel that runs, or
// nil. It goes by the section of the atom, or of the function it belongs to.
func (d *Diff) past(o *object.Object, id object.AtomID) *kerneltab.Section {
	if !d.carried.Tables || id == object.NoAtom {
		return nil
	}
	a := &o.Atoms[id]
	r := pastRowOf(o.SectionName(a.Section))
	if r == nil && a.Owner != object.NoAtom {
		r = pastRowOf(o.SectionName(o.Atoms[a.Owner].Section))
	}
	if r != nil && r.Class == kerneltab.Exit && d.isLeaving(o, id) {
		return nil
	}
	return r
}

// pastRowOf returns the row of a section whose content has no bearing on a kernel that
// runs, or nil: it was read or executed at the start, or is for what will be loaded later.
func pastRowOf(section string) *kerneltab.Section {
	if r := kerneltab.Of(section); r != nil && r.Class.IsPast() {
		return r
	}
	return nil
}

// moduleNames are defined, or referred to, by objects of loadable modules only
// (include/linux/module.h, include/linux/export.h).
var moduleNames = map[string]bool{kerneltab.ModuleInit: true, kerneltab.ModuleExit: true, "__this_module": true}

// isModule reports whether an object is for a loadable module. Not every object
// of a module can be told.
func isModule(o *object.Object) bool {
	return bool(object.Memo(o, func(o *object.Object) ofModule {
		return ofModule(slices.ContainsFunc(o.Symbols(), func(s elfobj.Symbol) bool { return moduleNames[s.Name] }))
	}))
}

// ofModule is what isModule says of an object.
type ofModule bool

// noEffect reports a difference in something that has no bearing on what runs.
func (j *judge) noEffect(o *object.Object, id object.AtomID, r *kerneltab.Section, what string) {
	f := findingAt(o, classCodes[r.Class], id, 0, "%s: %s", what, r.Why)
	if r.Class == kerneltab.Start && isModule(o) {
		f.Message += "; a module that is loaded later starts with the old one"
	}
	if classCodes[r.Class] == CodeExitCode {
		if isModule(j.Pre) {
			f.Message += "; it is not carried: " + j.stays
		} else {
			f.Severity, f.Accept = Ignored, "" // the linker drops it from the image
		}
	}
	j.report(f)
}

// withoutEffect reports all such differences.
func (j *judge) withoutEffect() {
	if !j.carried.Tables {
		return
	}
	for _, list := range [][]verdict.Change{j.Functions, j.Data} {
		for i := range list {
			ch := &list[i]
			switch {
			case ch.Status == verdict.Changed:
				r := j.past(j.Post, ch.Post)
				switch {
				case r == nil || j.isParameter(ch):
				case r.Class == kerneltab.Parameter && j.isShown(ch):
					j.report(findingAt(j.Post, CodeTableEntry, ch.Post, 0, "the parameter changed: %s: it can be read and set as long as the system runs (/sys/module)", ch.Reasons[0]))
				default:
					j.noEffect(j.Post, ch.Post, r, "changed: "+ch.Reasons[0].String())
				}
			case ch.Status == verdict.New:
				if r := j.past(j.Post, ch.Post); r != nil {
					j.noEffect(j.Post, ch.Post, r, "new")
				}
			case ch.Status == verdict.Same:
				j.otherList(ch)
			}
		}
	}
}

// otherList reports what is the same, and in another list of exports: for modules with another licence.
func (j *judge) otherList(ch *verdict.Change) {
	p, q := j.Pre.SectionName(j.Pre.Atoms[ch.Pre].Section), j.Post.SectionName(j.Post.Atoms[ch.Post].Section)
	if p == q {
		return
	}
	if r := j.past(j.Post, ch.Post); r != nil && r.Class == kerneltab.Export && classAt(j.Pre, j.Pre.Atoms[ch.Pre].Section) == kerneltab.Export {
		j.noEffect(j.Post, ch.Post, r, "it is in "+insn.Clip(q)+", and in pre in "+insn.Clip(p))
	}
}

// isParameter reports whether a changed object is a parameter that is overwritten: sysfs reads
// what it leads to whenever somebody reads or sets it. What else it holds was read at the start.
func (j *judge) isParameter(ch *verdict.Change) bool {
	r := j.past(j.Post, ch.Post)
	if !j.updates || r == nil || r.Class != kerneltab.Parameter || ch.Status != verdict.Changed || !j.isShown(ch) {
		return false
	}
	a, b := &j.Pre.Atoms[ch.Pre], &j.Post.Atoms[ch.Post]
	return a.Kind == object.Const && b.Kind == object.Const && len(a.Refs) == len(b.Refs) && compare.SameOutside(a.Bytes, b.Bytes, a.Refs) &&
		slices.EqualFunc(a.Refs, b.Refs, func(x, y object.Ref) bool { return x.Offset == y.Offset && x.Type == y.Type })
}

// isShown reports whether sysfs has a parameter: struct kernel_param of
// include/linux/moduleparam.h has its permissions behind three pointers.
func (j *judge) isShown(ch *verdict.Change) bool {
	const perm, size = 3 * 8, 2
	for _, b := range [][]byte{j.Pre.Atoms[ch.Pre].Bytes, j.Post.Atoms[ch.Post].Bytes} {
		if len(b) < perm+size || b[perm]|b[perm+1] != 0 {
			return true
		}
	}
	return false
}

// constructors reports functions that only run before main and that changed (new ones
// make their table another one): what they
// set stays as it is in a program that runs. C++ sets variables in such functions that
// the compiler makes. The kernel has tables of its own, see past.
func (j *judge) constructors() {
	if j.carried.Tables {
		return
	}
	was, is := startOnly(j.Pre), startOnly(j.Post)
	for i := range j.Functions {
		ch := &j.Functions[i]
		if ch.Post == object.NoAtom || j.Post.Atoms[ch.Post].Owner != object.NoAtom {
			continue
		}
		if ch.Status == verdict.Changed && (is[ch.Post] || was[ch.Pre]) {
			j.report(findingAt(j.Post, CodeConstructor, ch.Post, 0, "it runs before main only, and that is over: what it sets stays as it is"))
		}
	}
}

// startOnly marks the functions that a table of such functions names, and those that
// only these call.
func startOnly(o *object.Object) map[object.AtomID]bool {
	var work []object.AtomID
	only := map[object.AtomID]bool{}
	add := func(id object.AtomID) {
		if id != object.NoAtom && o.Atoms[id].Kind == object.Func && !only[id] {
			only[id] = true
			work = append(work, id)
		}
	}
	for i, s := range o.File.Sections {
		if !kerneltab.Of(s.Name).Has(kerneltab.BeforeMain) {
			continue
		}
		for _, a := range o.SectionAtoms(o.File.Sections[i].Index) {
			for k := range a.Refs {
				add(a.Refs[k].Target)
			}
		}
	}
	if len(work) == 0 {
		return only
	}
	left := callerCounts(o)
	for len(work) > 0 {
		a := &o.Atoms[work[len(work)-1]]
		work = work[:len(work)-1]
		for t := range functionsOf(o, a) {
			if left[t]--; left[t] == 0 && o.IsLocal(&o.Atoms[t]) {
				add(t)
			}
		}
	}
	return only
}

// callerCounts counts the functions and variables that refer to each function.
func callerCounts(o *object.Object) map[object.AtomID]int {
	n := map[object.AtomID]int{}
	for i := range o.Atoms {
		if a := &o.Atoms[i]; correlate.ClassOf(a) != 0 {
			for t := range functionsOf(o, a) {
				n[t]++
			}
		}
	}
	return n
}

// functionsOf is the set of other functions that an atom refers to.
func functionsOf(o *object.Object, a *object.Atom) map[object.AtomID]bool {
	set := map[object.AtomID]bool{}
	for i := range a.Refs {
		if t := a.Refs[i].Target; t != object.NoAtom && t != a.ID && o.Atoms[t].Kind == object.Func {
			set[t] = true
		}
	}
	return set
}
