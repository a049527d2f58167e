package elfdiff

import (
	"cmp"

	"github.com/gosplice/gosplice/internal/elfobj"
)

// tables compares the sections that describe code as wholes, and reports those
// that differ although no function does. Sections of one name correspond in
// their order.
func (j *judge) tables() {
	post := map[string][]*elfobj.Section{}
	for _, s := range j.Post.File.Sections {
		if kindOfSection(s) == Special {
			post[s.Name] = append(post[s.Name], s)
		}
	}
	matched := map[elfobj.SectionIndex]bool{}
	for _, s := range j.Pre.File.Sections {
		if kindOfSection(s) != Special {
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
	for _, s := range j.Post.File.Sections {
		if kindOfSection(s) == Special && !matched[s.Index] {
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
	f := Finding{Code: CodeTableDiffers, Section: s.Name, Message: "pre and post differ in it"}
	if r := ruleOf(s.Name); r != nil {
		f.Message += " (" + r.reason + ")"
		f.Code = cmp.Or(r.differs, f.Code)
	}
	if r := o.bySection[s.Index]; r.lo < r.hi && len(o.Atoms[r.lo].Refs) > 0 {
		ref := &o.Atoms[r.lo].Refs[0]
		f.Symbol, f.Offset = o.refText(ref), ref.Offset
	}
	f.Hint = hints[f.Code]
	j.find(f)
}

// special refuses included functions that a table describes: their entries
// would have to travel. Those that can be left behind are rows of sectionRules:
// an ftrace site that is in no table stays what the compiler made of it, and
// constructors ran long ago.
func (in *includer) special() {
	for i := range in.Post.Atoms {
		a := &in.Post.Atoms[i]
		if a.Kind != Special {
			continue
		}
		name := in.Post.sectionName(a.Section)
		if rule := ruleOf(name); rule != nil && rule.drop {
			continue
		}
		for k := range a.Refs {
			t := a.Refs[k].Target
			if t != NoAtom && in.included[t] && in.Post.Atoms[t].Kind == Func {
				in.refuse(in.Post.finding(CodeSpecialSection, t, uint64(max(a.Refs[k].TargetOff, 0)), "it has an entry in %s", name))
			}
		}
	}
}
