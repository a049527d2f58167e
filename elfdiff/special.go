package elfdiff

import (
	"cmp"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/internal/compare"
	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// tables compares the sections that describe code as wholes, and reports those
// that differ although no function does. Sections of one name correspond in
// their order.
func (j *judge) tables() {
	post := map[string][]*elfobj.Section{}
	for i, s := range j.Post.File.Sections {
		if j.Post.KindOf(elfobj.SectionIndex(i)) == object.Special {
			post[s.Name] = append(post[s.Name], s)
		}
	}
	matched := map[elfobj.SectionIndex]bool{}
	for i, s := range j.Pre.File.Sections {
		if j.Pre.KindOf(elfobj.SectionIndex(i)) != object.Special || j.byEntries(s.Name) {
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
		if j.Post.KindOf(elfobj.SectionIndex(i)) == object.Special && !matched[s.Index] && !j.byEntries(s.Name) {
			j.table(j.Post, s)
		}
	}
}

// sameTable compares two tables entry by entry.
func (j *judge) sameTable(pre, post elfobj.SectionIndex) bool {
	p, q := j.Pre.SectionRange(pre), j.Post.SectionRange(post)
	if p.Hi-p.Lo != q.Hi-q.Lo {
		return false
	}
	for k := range p.Hi - p.Lo {
		a, b := &j.Pre.Atoms[p.Lo+k], &j.Post.Atoms[q.Lo+k]
		if a.NoBits != b.NoBits || len(a.Bytes) != len(b.Bytes) || len(a.Refs) != len(b.Refs) || !compare.SameOutside(a.Bytes, b.Bytes, a.Refs) {
			return false
		}
		for i := range a.Refs {
			if a.Refs[i].Offset != b.Refs[i].Offset || j.c.Isolated(&a.Refs[i], &b.Refs[i]) != "" {
				return false
			}
		}
	}
	return true
}

// table reports a table that differs.
func (j *judge) table(o *object.Object, s *elfobj.Section) {
	row := tableRowOf(s.Name)
	if j.carried.Tables && isDiscarded(s.Name) {
		return // the linker drops it
	}
	code := CodeTableDiffers
	if row != nil {
		code = cmp.Or(classCodes[row.Class], code)
	}
	f := newFinding(code)
	if code == CodeConstructor && (j.carried.Tables || !row.Has(kerneltab.BeforeMain)) {
		f.Severity, f.Accept = Ignored, ""
	}
	f.Section, f.Message = s.Name, "pre and post differ in it"
	if row != nil {
		f.Message += " (" + row.What + ")"
		if isSiteList(row) {
			f.Severity, f.Accept = Ignored, ""
		}
	}
	if r := o.SectionRange(s.Index); r.Lo < r.Hi && len(o.Atoms[r.Lo].Refs) > 0 {
		ref := &o.Atoms[r.Lo].Refs[0]
		f.Symbol, f.Offset = insn.RefText(o, ref), ref.Offset
	}
	j.report(f)
}

// special refuses included functions that a table describes: their entries
// would have to travel. Those that can be left behind are expendable:
// an ftrace site that is in no table stays what the compiler made of it, and
// constructors ran long ago.
func (in *includer) special() {
	if in.carried.Tables {
		if _, bad := in.plan().ConstantSites(); bad != nil {
			in.report(findingAt(in.Post, CodeSpecialSection, bad.Owner, bad.Off, "the runtime constant %s is not used by a movabs or a shr", bad.Variable))
		}
	}
	for i := range in.Post.Atoms {
		a := &in.Post.Atoms[i]
		if a.Kind != object.Special {
			continue
		}
		name := in.Post.SectionName(a.Section)
		row := kerneltab.Of(name)
		if row.Has(kerneltab.Expendable) {
			continue
		}
		if in.carried.Tables && isCarried(row) {
			continue // see described, and constants
		}
		seen := map[object.AtomID]bool{}
		for k := range a.Refs {
			t := a.Refs[k].Target
			if t != object.NoAtom && in.carried.Included[t] && in.Post.Atoms[t].Kind == object.Func && !seen[t] {
				seen[t] = true // once for each function and table
				in.report(findingAt(in.Post, CodeSpecialSection, t, uint64(max(a.Refs[k].TargetOff, 0)), "it has an entry in %s", name))
			}
		}
	}
}

// classCodes are the findings when sections of a class differ between pre and post;
// that of other tables is CodeTableDiffers.
var classCodes = map[kerneltab.Class]Code{
	kerneltab.Constructor: CodeConstructor,
	kerneltab.Note:        CodeNote,
	kerneltab.Unread:      CodeUnnamed,
	kerneltab.Start:       CodeInitCode,
	kerneltab.Exit:        CodeExitCode,
	kerneltab.Export:      CodeExport,
	kerneltab.Parameter:   CodeParameter,
	kerneltab.Info:        CodeModuleInfo,
}

// tableRowOf returns the row of a section whose kind the flags do not tell, or nil.
func tableRowOf(section string) *kerneltab.Section {
	if r := kerneltab.Of(section); r != nil && r.Kind != kerneltab.ByFlags {
		return r
	}
	return nil
}

// isDiscarded reports whether the kernel's linker scripts leave a section out.
func isDiscarded(section string) bool {
	r := kerneltab.Of(section)
	return r != nil && r.Name == kerneltab.Discard
}

// unknown reports sections that seem to describe code, by addresses inside
// functions, and that nothing here knows: whoever reads them does not find the
// functions that travel.
func (in *includer) unknown() {
	for i, s := range in.Post.File.Sections {
		k := in.Post.KindOf(elfobj.SectionIndex(i))
		if k != object.Data && k != object.Const || isPlain(s.Name) || in.carried.Tables && pastRowOf(s.Name) != nil {
			continue
		}
		if describesCode(in.Post, s.Index) {
			in.sites(s)
		}
	}
}

// isPlain reports whether a section holds objects of the source, and no table about
// code. An address inside a function there is a label that the source takes.
func isPlain(section string) bool { return kerneltab.Of(section).Has(kerneltab.Plain) }

// describesCode reports whether anything in a section leads inside a function.
func describesCode(o *object.Object, s elfobj.SectionIndex) bool {
	for _, a := range o.SectionAtoms(s) {
		for i := range a.Refs {
			if r := &a.Refs[i]; r.Target != object.NoAtom && r.TargetOff != 0 && o.Atoms[r.Target].Kind == object.Func {
				return true
			}
		}
	}
	return false
}

// sites reports the functions that travel and that a section is about, each once.
func (in *includer) sites(s *elfobj.Section) {
	seen := map[object.AtomID]bool{}
	for _, a := range in.Post.SectionAtoms(s.Index) {
		for i := range a.Refs {
			t := a.Refs[i].Target
			if t == object.NoAtom || !in.carried.Included[t] || seen[t] || in.Post.Atoms[t].Kind != object.Func || in.carried.Included[a.ID] {
				continue
			}
			seen[t] = true
			in.report(findingAt(in.Post, CodeUnknownSection, t, uint64(max(a.Refs[i].TargetOff, 0)), "%s seems to be a table about code, and has an entry about it", s.Name))
		}
	}
}
