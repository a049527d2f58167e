package elfdiff

import (
	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// unknown reports sections that seem to describe code, by addresses inside
// functions, and that nothing here knows: whoever reads them does not find the
// functions that travel.
func (in *includer) unknown() {
	for i, s := range in.Post.File.Sections {
		k := in.Post.KindOf(elfobj.SectionIndex(i))
		if k != object.Data && k != object.Const || isPlain(s.Name) || in.carriesTables && pastRowOf(s.Name) != nil {
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
			if t == object.NoAtom || !in.included[t] || seen[t] || in.Post.Atoms[t].Kind != object.Func || in.included[a.ID] {
				continue
			}
			seen[t] = true
			in.report(findingAt(in.Post, CodeUnknownSection, t, uint64(max(a.Refs[i].TargetOff, 0)), "%s seems to be a table about code, and has an entry about it", s.Name))
		}
	}
}
