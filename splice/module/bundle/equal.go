package bundle

import (
	"fmt"

	"github.com/cilium/ebpf/btf"

	"github.com/gosplice/gosplice/internal/dwarf"
)

// plainDwarf is a type behind its qualifiers; false is void.
func (c *comparer) plainDwarf(e *dwarf.Entry, off uint64) bool {
	for range maxDepth {
		if !c.data.Entry(e, off) {
			return false
		}
		switch e.Tag {
		case dwarf.TagConst, dwarf.TagVolatile, dwarf.TagRestrict, dwarf.TagAtomic:
			next, ok := e.Ref(dwarf.AttrType)
			if !ok {
				return false
			}
			off = next
		default:
			return true
		}
	}
	return false
}

// plain is a type behind its qualifiers.
func plain(t btf.Type) btf.Type {
	for range maxDepth {
		switch x := t.(type) {
		case *btf.Const:
			t = x.Type
		case *btf.Volatile:
			t = x.Type
		case *btf.Restrict:
			t = x.Type
		case *btf.TypeTag:
			t = x.Type
		default:
			return t
		}
	}
	return t
}

// isKind reports whether both are of one kind, and complete.
func (c *comparer) isKind(off uint64, t btf.Type) bool {
	var e dwarf.Entry
	if !c.data.Entry(&e, off) {
		return false
	}
	switch t.(type) {
	case *btf.Struct:
		return e.Tag == dwarf.TagStructure
	case *btf.Union:
		return e.Tag == dwarf.TagUnion
	case *btf.Enum:
		return e.Tag == dwarf.TagEnumeration
	case *btf.Typedef:
		return e.Tag == dwarf.TagTypedef
	}
	return false
}

// ofRef is equal for what an entry refers to as its type.
func (c *comparer) ofRef(e *dwarf.Entry, t btf.Type, depth int) bool {
	off, ok := e.Ref(dwarf.AttrType)
	if !ok {
		_, void := plain(t).(*btf.Void)
		return void
	}
	return c.equal(off, t, depth)
}

// equal reports whether two types are the same, but for what their pointers lead to: of that, names.
func (c *comparer) equal(off uint64, t btf.Type, depth int) bool {
	var e dwarf.Entry
	t = plain(t)
	if depth > maxDepth {
		return false
	}
	if !c.plainDwarf(&e, off) {
		_, void := t.(*btf.Void)
		return void
	}
	key := pairOf{e.Offset, t}
	if same, ok := c.same[key]; ok {
		return same
	}
	c.same[key] = true // where it contains itself, what else it has decides
	same := c.equalEntries(&e, t, depth)
	c.same[key] = same
	return same
}

func (c *comparer) equalEntries(e *dwarf.Entry, t btf.Type, depth int) bool {
	size, _ := e.Int(dwarf.AttrByteSize)
	switch e.Tag {
	case dwarf.TagBaseType:
		switch x := t.(type) {
		case *btf.Int:
			return x.Name == e.Name() && uint64(x.Size) == uint64(size)
		case *btf.Float:
			return x.Name == e.Name() && uint64(x.Size) == uint64(size)
		}
	case dwarf.TagPointer:
		p, ok := t.(*btf.Pointer)
		return ok && c.target(e, p.Target, depth+1)
	case dwarf.TagTypedef:
		x, ok := t.(*btf.Typedef)
		return ok && x.Name == e.Name() && c.ofRef(e, x.Type, depth+1)
	case dwarf.TagArray:
		return c.equalArray(e, t, depth)
	case dwarf.TagStructure:
		s, ok := t.(*btf.Struct)
		return ok && s.Name == e.Name() && c.equalMembers(e, s.Members, depth) && c.equalSize(uint64(size), uint64(s.Size))
	case dwarf.TagUnion:
		s, ok := t.(*btf.Union)
		return ok && s.Name == e.Name() && c.equalMembers(e, s.Members, depth) && c.equalSize(uint64(size), uint64(s.Size))
	case dwarf.TagEnumeration:
		x, ok := t.(*btf.Enum)
		if ok && (e.Flag(dwarf.AttrDeclaration) || len(x.Values) == 0) {
			return x.Name == e.Name() // one of them is declared only
		}
		return ok && x.Name == e.Name() && x.Size == uint32(size) && equalEnum(e, x)
	case dwarf.TagSubroutineType:
		p, ok := t.(*btf.FuncProto)
		return ok && c.equalProto(e, p, depth)
	}
	return false
}

// target compares what pointers lead to: of structures, unions and enumerations with a name, that.
func (c *comparer) target(of *dwarf.Entry, t btf.Type, depth int) bool {
	var e dwarf.Entry
	t = plain(t)
	off, ok := of.Ref(dwarf.AttrType)
	if !ok || !c.plainDwarf(&e, off) {
		_, void := t.(*btf.Void)
		return void
	}
	name := e.Name()
	if name == "" {
		return c.equal(off, t, depth)
	}
	switch e.Tag {
	case dwarf.TagStructure:
		_, is := t.(*btf.Struct)
		_, declared := t.(*btf.Fwd)
		return (is || declared) && t.TypeName() == name
	case dwarf.TagUnion:
		_, is := t.(*btf.Union)
		_, declared := t.(*btf.Fwd)
		return (is || declared) && t.TypeName() == name
	case dwarf.TagEnumeration:
		_, is := t.(*btf.Enum)
		return is && t.TypeName() == name
	case dwarf.TagTypedef:
		x, is := t.(*btf.Typedef)
		return is && x.Name == name && c.target(&e, x.Type, depth+1)
	}
	return c.equal(off, t, depth)
}

// equalArray compares arrays by all their elements: BTF may have those of several dimensions in one.
func (c *comparer) equalArray(e *dwarf.Entry, t btf.Type, depth int) bool {
	mine, its := dimensions(e), int64(1)
	n := int64(1)
	for _, d := range mine {
		n *= d
	}
	for range mine {
		a, ok := plain(t).(*btf.Array)
		if !ok {
			break
		}
		its, t = its*int64(a.Nelems), a.Type
	}
	return n == its && c.ofRef(e, t, depth+1)
}

// dimensions are those of an array, the outermost first.
func dimensions(e *dwarf.Entry) (list []int64) {
	var s dwarf.Entry
	for r := dwarf.ChildrenOf(e); e.Children && r.NextSibling(&s); r.Skip(&s) {
		if s.Tag == dwarf.TagSubrange {
			list = append(list, elements(&s))
		}
	}
	return list
}

// isFlat reports whether BTF does not say how many elements the dimensions of an array have.
func (c *comparer) isFlat(off uint64, t btf.Type) bool {
	var e dwarf.Entry
	a, ok := plain(t).(*btf.Array)
	if !ok || !c.plainDwarf(&e, off) || e.Tag != dwarf.TagArray || len(dimensions(&e)) < 2 {
		return false
	}
	_, nested := plain(a.Type).(*btf.Array)
	return !nested
}

// elements is how many elements a dimension has; 0 where that is not said.
func elements(s *dwarf.Entry) int64 {
	if n, ok := s.Int(dwarf.AttrCount); ok {
		return n
	}
	if n, ok := s.Int(dwarf.AttrUpperBound); ok {
		return n + 1
	}
	return 0
}

func (c *comparer) equalMembers(e *dwarf.Entry, list []btf.Member, depth int) bool {
	i := 0
	var m dwarf.Entry
	for r := dwarf.ChildrenOf(e); e.Children && r.NextSibling(&m); r.Skip(&m) {
		if m.Tag != dwarf.TagMember {
			continue
		}
		if i >= len(list) || m.Has(dwarf.AttrBitOffset) {
			c.because("%s, which the kernel does not have there", m.Name())
			return false
		}
		x := &list[i]
		i++
		bit, width, _ := place(&m)
		if x.Name != m.Name() || int64(x.Offset) != bit || int64(x.BitfieldSize) != width || !c.ofRef(&m, x.Type, depth+1) {
			c.because("%s at +%#x, where the kernel has %s at +%#x", m.Name(), bit/8, x.Name, int64(x.Offset)/8)
			return false
		}
	}
	if i < len(list) {
		c.because("%s at +%#x is not in it", list[i].Name, int64(list[i].Offset)/8)
	}
	return i == len(list)
}

func (c *comparer) equalSize(mine, its uint64) bool {
	if mine != its {
		c.because("%d bytes, where the kernel has %d", mine, its)
	}
	return mine == its
}

// because notes the first difference, which is the innermost.
func (c *comparer) because(format string, args ...any) {
	if c.why == "" {
		c.why = fmt.Sprintf(format, args...)
	}
}

func equalEnum(e *dwarf.Entry, x *btf.Enum) bool {
	i, same := 0, true
	eachEnumerator(e, func(name string, value uint64) {
		if i >= len(x.Values) || x.Values[i].Name != name || !sameValue(value, x.Values[i].Value, x.Size) {
			same = false
		}
		i++
	})
	return same && i == len(x.Values)
}

// equalProto compares parameters and results as what pointers lead to, but for what is passed by value.
func (c *comparer) equalProto(e *dwarf.Entry, p *btf.FuncProto, depth int) bool {
	i := 0
	var m dwarf.Entry
	for r := dwarf.ChildrenOf(e); e.Children && r.NextSibling(&m); r.Skip(&m) {
		if m.Tag != dwarf.TagFormalParameter && m.Tag != dwarf.TagUnspecified {
			continue
		}
		if i >= len(p.Params) || !c.ofRef(&m, p.Params[i].Type, depth+1) {
			return false
		}
		i++
	}
	return i == len(p.Params) && c.ofRef(e, p.Return, depth+1)
}
