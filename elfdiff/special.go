package elfdiff

import (
	"cmp"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
)

// tables compares the sections that describe code as wholes, and reports those
// that differ although no function does. Sections of one name correspond in
// their order.
func (j *judge) tables() {
	post := map[string][]*elfobj.Section{}
	for i, s := range j.Post.File.Sections {
		if j.Post.kinds[i] == Special {
			post[s.Name] = append(post[s.Name], s)
		}
	}
	matched := map[elfobj.SectionIndex]bool{}
	for i, s := range j.Pre.File.Sections {
		if j.Pre.kinds[i] != Special || j.byEntries(s.Name) {
			continue
		}
		if list := post[s.Name]; len(list) > 0 {
			post[s.Name] = list[1:]
			matched[list[0].Index] = true
			if j.sameTable(s.Index, list[0].Index) {
				continue
			}
		}
		j.table(j.Pre, s)
	}
	for i, s := range j.Post.File.Sections {
		if j.Post.kinds[i] == Special && !matched[s.Index] && !j.byEntries(s.Name) {
			j.table(j.Post, s)
		}
	}
}

// sameTable compares two tables entry by entry.
func (j *judge) sameTable(pre, post elfobj.SectionIndex) bool {
	p, q := j.Pre.bySection[pre], j.Post.bySection[post]
	if p.hi-p.lo != q.hi-q.lo {
		return false
	}
	for k := range p.hi - p.lo {
		a, b := &j.Pre.Atoms[p.lo+k], &j.Post.Atoms[q.lo+k]
		if a.NoBits != b.NoBits || len(a.Bytes) != len(b.Bytes) || len(a.Refs) != len(b.Refs) || !sameOutside(a.Bytes, b.Bytes, a.Refs) {
			return false
		}
		for i := range a.Refs {
			if a.Refs[i].Offset != b.Refs[i].Offset || j.c.isolated(&a.Refs[i], &b.Refs[i]) != "" {
				return false
			}
		}
	}
	return true
}

// table reports a table that differs.
func (j *judge) table(o *Object, s *elfobj.Section) {
	rule := ruleOf(s.Name)
	if j.carriesTables && strings.HasPrefix(s.Name, discard) {
		return // the linker drops it
	}
	code := CodeTableDiffers
	if rule != nil {
		code = cmp.Or(rule.differs, code)
	}
	f := newFinding(code)
	if code == CodeConstructor && (j.carriesTables || !isStart(s.Name)) {
		f.Severity, f.Accept = Ignored, ""
	}
	f.Section, f.Message = s.Name, "pre and post differ in it"
	if rule != nil {
		f.Message += " (" + rule.reason + ")"
		if rule.drop && rule.differs == "" {
			f.Severity, f.Accept = Ignored, ""
		}
	}
	if r := o.bySection[s.Index]; r.lo < r.hi && len(o.Atoms[r.lo].Refs) > 0 {
		ref := &o.Atoms[r.lo].Refs[0]
		f.Symbol, f.Offset = o.refText(ref), ref.Offset
	}
	j.report(f)
}

// special refuses included functions that a table describes: their entries
// would have to travel. Those that can be left behind are rows of sectionRules:
// an ftrace site that is in no table stays what the compiler made of it, and
// constructors ran long ago.
func (in *includer) special() {
	if _, bad := in.constantSites(); bad != nil && in.carriesTables {
		in.report(in.Post.finding(CodeSpecialSection, bad.owner, bad.off, "the runtime constant %s is not used by a movabs or a shr", bad.variable))
	}
	for i := range in.Post.Atoms {
		a := &in.Post.Atoms[i]
		if a.Kind != Special {
			continue
		}
		name := in.Post.sectionName(a.Section)
		if rule := ruleOf(name); rule != nil && rule.drop {
			continue
		}
		if in.carriesTables && (entryRuleOf(name) != nil || name == altReplacement || strings.HasPrefix(name, runtimePtr) || strings.HasPrefix(name, runtimeShift)) {
			continue // see described, and constants
		}
		seen := map[AtomID]bool{}
		for k := range a.Refs {
			t := a.Refs[k].Target
			if t != NoAtom && in.included[t] && in.Post.Atoms[t].Kind == Func && !seen[t] {
				seen[t] = true // once for each function and table
				in.report(in.Post.finding(CodeSpecialSection, t, uint64(max(a.Refs[k].TargetOff, 0)), "it has an entry in %s", name))
			}
		}
	}
}
