package typediff

import (
	"github.com/gosplice/gosplice/elfdiff/internal/dtypes"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/types"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/dwarf"
)

// private finds the changed types that only changed functions use.
func (f *typeFinder) private() {
	owners := map[uint64]*Found{} // by the entry of pre
	for i := range f.list {
		t := &f.list[i]
		if t.Kind == types.LayoutChanged && len(t.entries[0]) == 1 && len(t.Uses) > 0 && ownSource(f.c.Side[0], t.entries[0][0]) {
			t.Private = true
			owners[t.entries[0][0]] = t
		}
	}
	if len(owners) == 0 {
		return
	}
	s := f.c.Side[0]
	f.members(s, owners)
	v := dtypes.VariablesOf(s.Object)
	seen := func(_ string, typ uint64) {
		if t := owners[pointedTo(s, typ)]; t != nil {
			t.Private = false
		}
	}
	for i := range f.d.Functions {
		if ch := &f.d.Functions[i]; ch.Status == verdict.Same && ch.Pre != object.NoAtom {
			v.Locals(&s.Object.Atoms[ch.Pre], seen)
		}
	}
	for _, entry := range s.Index.Variables { // what stays in memory
		v.Variable(entry, seen)
	}
}

// members drops the types that are in others, or that others point to.
func (f *typeFinder) members(s *dtypes.Side, owners map[uint64]*Found) {
	var e, x dwarf.Entry
	for _, entry := range s.Index.Types {
		if !s.Data.Entry(&e, entry) || e.Tag == dwarf.TagEnumeration {
			continue
		}
		for r := dwarf.ChildrenOf(&e); dtypes.NextOf(&r, &x, dwarf.TagMember); {
			if t := owners[pointedTo(s, dtypes.TypeOf(&x))]; t != nil {
				t.Private = false
			}
		}
	}
}

// ownSource reports whether a type is defined in the source that the compiler
// was given.
func ownSource(s *dtypes.Side, entry uint64) bool {
	var e dwarf.Entry
	if !s.Data.Entry(&e, entry) {
		return false
	}
	root := e.Unit().Root()
	file := e.File(dwarf.AttrDeclFile)
	return file != "" && file == root.Name()
}

// pointedTo returns the entry of a type without typedefs, pointers and arrays.
func pointedTo(s *dtypes.Side, off uint64) uint64 {
	var t dtypes.Resolved
	for range dtypes.MaxDepth {
		if !s.Resolve(&t, off) {
			return 0
		}
		switch t.Tag {
		case dwarf.TagArray, dwarf.TagPointer, dwarf.TagReference, dwarf.TagRvalueReference:
			off = dtypes.TypeOf(&t.Entry)
		case dwarf.TagNull:
			return 0
		default:
			return t.Offset
		}
	}
	return 0
}
