package object

import (
	"debug/elf"
	"errors"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// lacking names what there is nothing to compare without.
type lacking struct {
	code finding.Code
	why  string
}

// Missing returns a [*finding.RefusedError] when an object holds nothing by which its code
// could be compared or found: since it is no machine code yet (GCC's -flto without
// -ffat-lto-objects), or its symbols were stripped, or it takes no memory. An object
// with data alone has what it takes.
func (o *Object) Missing() error {
	if o == nil || o.File == nil {
		return errors.New("no object")
	}
	l, ok := o.lacks()
	if !ok {
		return nil
	}
	f := finding.New(l.code)
	f.Message = l.why
	return &finding.RefusedError{Refusals: []finding.Refusal{{Finding: f}}}
}

func (o *Object) lacks() (lacking, bool) {
	memory := slices.ContainsFunc(o.File.Sections, func(s *elfobj.Section) bool { return o.takesMemory(s) })
	named := slices.ContainsFunc(o.Symbols(), func(s elfobj.Symbol) bool { return elfobj.IsLabel(&s) })
	switch {
	case o.isIntermediate() && !o.HasCode():
		return lacking{finding.CodeIntermediate, "it holds the compiler's intermediate code, and no machine code"}, true
	case !memory:
		return lacking{finding.CodeNoCode, "it has neither code nor data"}, true
	case !named && (o.HasCode() || !o.hasSymtab()):
		return lacking{finding.CodeNoSymbols, "no symbol names its code or data"}, true
	}
	return lacking{}, false
}

// takesMemory reports whether a section is more than a note about the file.
func (o *Object) takesMemory(s *elfobj.Section) bool {
	r := kerneltab.Of(s.Name)
	return s.Size > 0 && o.KindOf(s.Index) != Meta && (r == nil || r.Class != kerneltab.Note && r.Name != kerneltab.Discard)
}

// HasCode reports whether any section holds instructions.
func (o *Object) HasCode() bool {
	return o.File != nil && slices.ContainsFunc(o.File.Sections, func(s *elfobj.Section) bool {
		return s.Size > 0 && s.Flags&elf.SHF_EXECINSTR != 0 && s.Flags&elf.SHF_ALLOC != 0
	})
}

// isIntermediate reports whether GCC wrote its intermediate code into the object
// (GCC internals manual, "LTO file sections").
func (o *Object) isIntermediate() bool {
	return slices.ContainsFunc(o.File.Sections, func(s *elfobj.Section) bool { return strings.HasPrefix(s.Name, ".gnu.lto_") })
}

func (o *Object) hasSymtab() bool {
	return slices.ContainsFunc(o.File.Sections, func(s *elfobj.Section) bool { return s.Type == elf.SHT_SYMTAB })
}
