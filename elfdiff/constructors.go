package elfdiff

import "strings"

// starts are the beginnings of the names of sections with the addresses of functions
// that run before main only (gABI, "Initialization and Termination Functions").
var starts = []string{".init_array", ".preinit_array", ".ctors"}

func isStart(section string) bool {
	for _, s := range starts {
		if strings.HasPrefix(section, s) {
			return true
		}
	}
	return false
}

// constructors reports functions that only run before main and that changed (new ones
// make their table another one): what they
// set stays as it is in a program that runs. C++ sets variables in such functions that
// the compiler makes. The kernel has tables of its own, see pastRules.
func (j *judge) constructors() {
	if j.carriesTables {
		return
	}
	was, is := j.Pre.startOnly(), j.Post.startOnly()
	for i := range j.Functions {
		ch := &j.Functions[i]
		if ch.Post == NoAtom || j.Post.Atoms[ch.Post].Owner != NoAtom {
			continue
		}
		if ch.Status == Changed && (is[ch.Post] || was[ch.Pre]) {
			j.report(j.Post.finding(CodeConstructor, ch.Post, 0, "it runs before main only, and that is over: what it sets stays as it is"))
		}
	}
}

// startOnly marks the functions that a table of such functions names, and those that
// only these call.
func (o *Object) startOnly() map[AtomID]bool {
	var work []AtomID
	only := map[AtomID]bool{}
	add := func(id AtomID) {
		if id != NoAtom && o.Atoms[id].Kind == Func && !only[id] {
			only[id] = true
			work = append(work, id)
		}
	}
	for i, s := range o.File.Sections {
		if !isStart(s.Name) {
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
	left := o.callerCounts()
	for len(work) > 0 {
		a := &o.Atoms[work[len(work)-1]]
		work = work[:len(work)-1]
		for t := range o.functionsOf(a) {
			if left[t]--; left[t] == 0 && o.isLocal(&o.Atoms[t]) {
				add(t)
			}
		}
	}
	return only
}

// callerCounts counts the functions and variables that refer to each function.
func (o *Object) callerCounts() map[AtomID]int {
	n := map[AtomID]int{}
	for i := range o.Atoms {
		if a := &o.Atoms[i]; classOf(a) != 0 {
			for t := range o.functionsOf(a) {
				n[t]++
			}
		}
	}
	return n
}

// functionsOf is the set of other functions that an atom refers to.
func (o *Object) functionsOf(a *Atom) map[AtomID]bool {
	set := map[AtomID]bool{}
	for i := range a.Refs {
		if t := a.Refs[i].Target; t != NoAtom && t != a.ID && o.Atoms[t].Kind == Func {
			set[t] = true
		}
	}
	return set
}
