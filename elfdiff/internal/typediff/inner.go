package typediff

import (
	"github.com/gosplice/gosplice/elfdiff/internal/debug"
	"github.com/gosplice/gosplice/elfdiff/internal/dtypes"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/dwarf"
)

// innerTypes are the types inside a function or another type, by names that begin with that of the outermost.
type innerTypes struct {
	order []innerType
	by    map[string][]uint64
}

type innerType struct {
	name  string
	entry uint64
}

// maxInner bounds how many inner types are compared.
const maxInner = 1 << 16

// inner adds the changed types that are inside others, and inside changed functions: closures among them, whose
// members are what they captured.
func (f *typeFinder) inner() {
	pre, post := f.innerOf(0), f.innerOf(1)
	reported := map[string]bool{}
	var p dtypes.Resolved
	for _, t := range pre.order {
		twins := post.by[t.name]
		if len(twins) == 0 || reported[t.name] || !f.c.Side[0].Resolve(&p, t.entry) {
			continue
		}
		if x, ok := changed(f.c, &p, twins); ok {
			x.Name, x.entries[0] = t.name, pre.by[t.name]
			reported[t.name] = true
			f.list = append(f.list, x)
		}
	}
}

func (f *typeFinder) innerOf(side int) *innerTypes {
	x, s := &innerTypes{by: map[string][]uint64{}}, f.c.Side[side]
	var e dwarf.Entry
	for _, off := range s.Index.Types {
		if s.Data.Entry(&e, off) && e.Tag != dwarf.TagEnumeration {
			x.read(s, &e, dtypes.TagText(&e))
		}
	}
	seen := map[uint64]bool{}
	for i := range f.d.Functions {
		ch := &f.d.Functions[i]
		a := s.Object.Atom([2]object.AtomID{ch.Pre, ch.Post}[side])
		if ch.Status == verdict.Same || a == nil {
			continue
		}
		off, ok := s.Index.FunctionAt(debug.Addr(a, 0))
		if !ok {
			continue
		}
		origin := s.Data.Function(off)
		for _, at := range []uint64{off, origin.Entry} {
			if !seen[at] && s.Data.Entry(&e, at) {
				seen[at] = true
				x.read(s, &e, origin.Name)
			}
		}
	}
	return x
}

// read adds the types inside a type or a function, and in the blocks of that.
func (x *innerTypes) read(s *dtypes.Side, outer *dwarf.Entry, name string) {
	r := dwarf.ChildrenOf(outer)
	var e dwarf.Entry
	for depth := 1; depth > 0 && len(x.order) < maxInner && r.Next(&e); {
		switch {
		case e.Tag == dwarf.TagNull:
			depth--
			continue
		case dtypes.Words[e.Tag] == "" || e.Has(dwarf.AttrDeclaration):
		case e.Has(dwarf.AttrName) || isClosure(&e):
			in := innerType{name + "::" + dtypes.TagText(&e), e.Offset}
			if !e.Has(dwarf.AttrName) {
				in.name = name + "::closure"
			}
			x.order = append(x.order, in)
			x.by[in.name] = append(x.by[in.name], in.entry)
			x.read(s, &e, in.name)
		}
		switch {
		case !e.Children:
		case e.Tag == dwarf.TagLexicalBlock:
			depth++
		default:
			r.Skip(&e)
		}
	}
}

// isClosure reports whether a type without a name is a closure, which has a function.
func isClosure(e *dwarf.Entry) bool {
	r := dwarf.ChildrenOf(e)
	var x dwarf.Entry
	return e.Tag != dwarf.TagEnumeration && dtypes.NextOf(&r, &x, dwarf.TagSubprogram)
}
