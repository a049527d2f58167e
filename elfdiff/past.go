package elfdiff

import (
	"slices"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// past returns the row for an atom that has no bearing on a kernel that runs, or
// nil. It goes by the section of the atom, or of the function it belongs to.
func (d *Diff) past(o *object.Object, id object.AtomID) *kerneltab.Section {
	if !d.carriesTables || id == object.NoAtom {
		return nil
	}
	a := &o.Atoms[id]
	if r := pastRowOf(o.SectionName(a.Section)); r != nil || a.Owner == object.NoAtom {
		return r
	}
	return pastRowOf(o.SectionName(o.Atoms[a.Owner].Section))
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
var moduleNames = map[string]bool{"init_module": true, "cleanup_module": true, "__this_module": true}

// isModule reports whether an object is for a loadable module. Not every object
// of a module can be told.
func isModule(o *object.Object) bool {
	return bool(object.Memo(o, func(o *object.Object) ofModule {
		return ofModule(slices.ContainsFunc(o.Symbols(), func(s elfobj.Symbol) bool { return moduleNames[s.Name] }))
	}))
}

// ofModule is what isModule says of an object.
type ofModule bool

// bygone reports a difference in something that has no bearing on what runs.
func (j *judge) bygone(o *object.Object, id object.AtomID, r *kerneltab.Section, what string) {
	f := findingAt(o, classCodes[r.Class], id, 0, "%s: %s", what, r.Why)
	if classCodes[r.Class] == CodeExitCode && !isModule(j.Pre) {
		f.Severity, f.Accept = Ignored, "" // the linker drops it from the image
	}
	j.report(f)
}

// bygones reports all such differences.
func (j *judge) bygones() {
	if !j.carriesTables {
		return
	}
	for _, list := range [][]verdict.Change{j.Functions, j.Data} {
		for i := range list {
			ch := &list[i]
			switch {
			case ch.Status == verdict.Changed:
				if r := j.past(j.Post, ch.Post); r != nil {
					j.bygone(j.Post, ch.Post, r, "changed: "+ch.Reasons[0].String())
				}
			case ch.Status == verdict.New:
				if r := j.past(j.Post, ch.Post); r != nil {
					j.bygone(j.Post, ch.Post, r, "new")
				}
			}
		}
	}
}
