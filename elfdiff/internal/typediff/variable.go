package typediff

import (
	"github.com/gosplice/gosplice/elfdiff/internal/debug"
	"github.com/gosplice/gosplice/elfdiff/internal/dtypes"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/types"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/dwarf"
)

// variables finds writable variables of which changed functions take what is in memory
// for another type than it was made as. Those of another size are told on their own.
func (f *typeFinder) variables() {
	changed := map[object.AtomID]*verdict.Change{}
	for i := range f.d.Functions {
		if ch := &f.d.Functions[i]; ch.Status == verdict.Changed {
			changed[ch.Post] = ch
		}
	}
	for id := range f.d.Post.Atoms {
		q := &f.d.Post.Atoms[id]
		twin := f.d.PreOf[id]
		if q.Kind != object.Data || twin == object.NoAtom || q.Name == "" || f.d.Pre.Atoms[twin].Size != q.Size {
			continue
		}
		if uses := f.usesOf(q.ID, changed); len(uses) > 0 {
			f.variable(&f.d.Pre.Atoms[twin], q, uses)
		}
	}
}

// usesOf lists the changed functions that use an object of post.
func (f *typeFinder) usesOf(id object.AtomID, changed map[object.AtomID]*verdict.Change) (uses []types.Use) {
	for _, u := range f.d.Post.Users(id) {
		if ch := changed[u]; ch != nil {
			uses = append(uses, types.Use{Symbol: ch.Name, Pre: ch.Pre, Post: ch.Post})
		}
	}
	return uses
}

// variable compares the types of one variable.
func (f *typeFinder) variable(a, b *object.Atom, uses []types.Use) {
	s, t := f.c.Side[0], f.c.Side[1]
	v, w := dtypes.VariablesOf(s.Object), dtypes.VariablesOf(t.Object)
	x, ok1 := v.At(debug.Addr(a, 0))
	y, ok2 := w.At(debug.Addr(b, 0))
	if !ok1 || !ok2 {
		return
	}
	p, q := v.TypeOf(x), w.TypeOf(y)
	if p == 0 || q == 0 || sameContent(f.c, p, q, 0) {
		return
	}
	c := Found{}
	c.Kind, c.Name, c.Uses = types.LayoutChanged, a.Name, uses
	c.Pre = types.Layout{Size: a.Size, Members: []types.Member{{Name: a.Name, Type: s.Text(p), Size: a.Size}}}
	c.Post = types.Layout{Size: b.Size, Members: []types.Member{{Name: b.Name, Type: t.Text(q), Size: b.Size}}}
	c.Members = []types.MemberChange{{What: types.MemberRetyped, Pre: &c.Pre.Members[0], Post: &c.Post.Members[0]}}
	f.list = append(f.list, c)
}

// sameContent reports whether memory of one type means the same as one of another:
// numbers of one size do, whatever their signs, and so do structures that have the same
// in them.
func sameContent(c *dtypes.Comparer, a, b uint64, depth int) bool {
	if c.Same(a, b, 0) {
		return true
	}
	if c.Budget--; a == 0 || b == 0 || c.Budget < 0 {
		return false
	}
	var p, q dtypes.Resolved
	if depth > dtypes.MaxDepth || !c.Side[0].Resolve(&p, a) || !c.Side[1].Resolve(&q, b) {
		return false
	}
	switch {
	case isArithmetic(p.Tag) && isArithmetic(q.Tag):
		return dtypes.SameInt(&p.Entry, &q.Entry, dwarf.AttrByteSize) && isFloat(&p.Entry) == isFloat(&q.Entry)
	case p.Tag == dwarf.TagArray && q.Tag == dwarf.TagArray:
		return dtypes.SameDimensions(&p.Entry, &q.Entry) && sameContent(c, dtypes.TypeOf(&p.Entry), dtypes.TypeOf(&q.Entry), depth+1)
	case p.Tag == dwarf.TagPointer && q.Tag == dwarf.TagPointer:
		x, y := dtypes.TypeOf(&p.Entry), dtypes.TypeOf(&q.Entry)
		return x == 0 || y == 0 || sameContent(c, x, y, depth+1)
	case isStruct(p.Tag) && isStruct(q.Tag):
		return p.Tag == q.Tag && c.SameBody(&p.Entry, &q.Entry, 0) ||
			dtypes.SameInt(&p.Entry, &q.Entry, dwarf.AttrByteSize) && (c.Same(wrapped(c.Side[0], p.Entry), b, 0) || c.Same(a, wrapped(c.Side[1], q.Entry), 0))
	}
	return false
}

// wrapped returns the first structure with a name in one that may be all of it, as a
// spinlock_t is a raw_spinlock_t; 0 when there is none. It looks no further: locks are
// numbers in the end.
func wrapped(s *dtypes.Side, e dwarf.Entry) uint64 {
	var x dwarf.Entry
	var t dtypes.Resolved
	for range dtypes.MaxDepth {
		r := dwarf.ChildrenOf(&e)
		if !dtypes.NextOf(&r, &x, dwarf.TagMember) || !s.Resolve(&t, dtypes.TypeOf(&x)) || !isStruct(t.Tag) || !dtypes.SameInt(&t.Entry, &e, dwarf.AttrByteSize) {
			return 0
		}
		if t.Named() {
			return dtypes.TypeOf(&x)
		}
		e = t.Entry
	}
	return 0
}

func isStruct(t dwarf.Tag) bool { return dtypes.IsClass(t) || t == dwarf.TagUnion }

func isArithmetic(t dwarf.Tag) bool { return t == dwarf.TagBaseType || t == dwarf.TagEnumeration }

// isFloat goes by DW_ATE_complex_float and DW_ATE_float (DWARF 5, section 7.8).
func isFloat(e *dwarf.Entry) bool {
	v, _ := e.Int(dwarf.AttrEncoding)
	return v == 3 || v == 4
}
