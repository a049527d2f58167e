package elfdiff

import (
	"debug/elf"
	"fmt"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// lacking names what there is nothing to compare without.
type lacking struct {
	code Code
	why  string
}

// Missing returns a [*RefusedError] when an object holds nothing by which its code
// could be compared or found: since it is no machine code yet (GCC's -flto without
// -ffat-lto-objects), or its symbols were stripped, or it takes no memory. An object
// with data alone has what it takes.
func Missing(o *object.Object) error {
	l, ok := lacks(o)
	if !ok {
		return nil
	}
	f := newFinding(l.code)
	f.Message = l.why
	return &RefusedError{Refusals: []Refusal{{Finding: f}}}
}

func lacks(o *object.Object) (lacking, bool) {
	memory := slices.ContainsFunc(o.File.Sections, func(s *elfobj.Section) bool { return takesMemory(o, s) })
	named := slices.ContainsFunc(o.Symbols(), func(s elfobj.Symbol) bool { return elfobj.IsLabel(&s) })
	switch {
	case isIntermediate(o) && !hasCode(o):
		return lacking{CodeIntermediate, "it holds the compiler's intermediate code, and no machine code"}, true
	case !memory:
		return lacking{CodeNoCode, "it has neither code nor data"}, true
	case !named && (hasCode(o) || !hasSymtab(o)):
		return lacking{CodeNoSymbols, "no symbol names its code or data"}, true
	}
	return lacking{}, false
}

// takesMemory reports whether a section is more than a note about the file.
func takesMemory(o *object.Object, s *elfobj.Section) bool {
	r := kerneltab.Of(s.Name)
	return s.Size > 0 && o.KindOf(s.Index) != object.Meta && (r == nil || r.Class != kerneltab.Note && r.Name != kerneltab.Discard)
}

// hasCode reports whether any section holds instructions.
func hasCode(o *object.Object) bool {
	return slices.ContainsFunc(o.File.Sections, func(s *elfobj.Section) bool {
		return s.Size > 0 && s.Flags&elf.SHF_EXECINSTR != 0 && s.Flags&elf.SHF_ALLOC != 0
	})
}

// isIntermediate reports whether GCC wrote its intermediate code into the object
// (GCC internals manual, "LTO file sections").
func isIntermediate(o *object.Object) bool {
	return slices.ContainsFunc(o.File.Sections, func(s *elfobj.Section) bool { return strings.HasPrefix(s.Name, ".gnu.lto_") })
}

func hasSymtab(o *object.Object) bool {
	return slices.ContainsFunc(o.File.Sections, func(s *elfobj.Section) bool { return s.Type == elf.SHT_SYMTAB })
}

// missing refuses objects of which one has nothing to compare. That both lack what
// is compared is no sign that they are the same.
func (j *judge) missing() {
	for i, o := range [2]*object.Object{j.Pre, j.Post} {
		side := [2]string{"pre", "post"}[i]
		if l, ok := lacks(o); ok {
			f := newFinding(l.code)
			f.Message = fmt.Sprintf("%s: %s", side, l.why)
			j.report(f)
			return
		}
	}
	if a, b := hasCode(j.Pre), hasCode(j.Post); a != b {
		f := newFinding(CodeNoCode)
		f.Message = "pre has code, and post has none"
		if b {
			f.Message = "post has code, and pre has none"
		}
		j.report(f)
	}
}
