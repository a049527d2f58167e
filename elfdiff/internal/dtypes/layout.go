package dtypes

import (
	"cmp"
	"fmt"

	"github.com/gosplice/gosplice/elfdiff/types"
	"github.com/gosplice/gosplice/internal/dwarf"
)

// LayoutMember is a member with its type's entry.
type LayoutMember struct {
	types.Member
	Entry uint64
}

// maxLayout bounds the members of one layout.
const maxLayout = 1 << 14

// Layout lists what is in a structure, union or enumeration.
func (s *Side) Layout(e *dwarf.Entry) (size uint64, list []LayoutMember) {
	n, _ := e.Int(dwarf.AttrByteSize)
	if e.Tag == dwarf.TagEnumeration {
		return uint64(n), s.Enumerators(e)
	}
	return uint64(n), s.members(nil, e, 0, 0)
}

// members appends the members of a structure that begins at bit base. Those of
// members without a name are put in their place.
func (s *Side) members(list []LayoutMember, e *dwarf.Entry, base uint64, depth int) []LayoutMember {
	r := dwarf.ChildrenOf(e)
	var x dwarf.Entry
	for NextOf(&r, &x, dwarf.TagMember) && len(list) < maxLayout {
		b := BitPlace(&x)
		b.At += base
		typ := TypeOf(&x)
		name := x.Name()
		if name == "" && depth < MaxDepth {
			var t Resolved
			if s.Resolve(&t, typ) && (IsClass(t.Tag) || t.Tag == dwarf.TagUnion) {
				list = s.members(list, &t.Entry, b.At, depth+1)
				continue
			}
		}
		m := LayoutMember{types.Member{Name: name, Type: s.Text(typ), Offset: b.At / 8, Size: s.Size(typ, 0)}, typ}
		if b.Width > 0 {
			m.Bit, m.Bits, m.Size = uint8(b.At%8), b.Width, 0
		}
		list = append(list, m)
	}
	return list
}

// Enumerators lists the constants of an enumeration.
func (s *Side) Enumerators(e *dwarf.Entry) (list []LayoutMember) {
	r := dwarf.ChildrenOf(e)
	var x dwarf.Entry
	for NextOf(&r, &x, dwarf.TagEnumerator) && len(list) < maxLayout {
		v, _ := x.Int(dwarf.AttrConstValue)
		list = append(list, LayoutMember{types.Member{Name: x.Name(), Value: v}, 0})
	}
	return list
}

// resultName stands for the result in the layout of a function.
const resultName = "(result)"

// noReturn is in a signature behind the parameters where the function never returns: callers have no code
// behind a call of it.
const noReturn = "(never returns)"

// Signature lists the result and the parameters of a function.
func (s *Side) Signature(e *dwarf.Entry) (list []LayoutMember) {
	typ := TypeOf(e)
	list = append(list, LayoutMember{types.Member{Name: resultName, Type: s.Text(typ), Size: s.Size(typ, 0)}, typ})
	r := dwarf.ChildrenOf(e)
	var x dwarf.Entry
	for nextParameter(&r, &x) && len(list) < maxLayout {
		if x.Tag == dwarf.TagUnspecified {
			list = append(list, LayoutMember{types.Member{Name: "...", Type: "..."}, 0})
			continue
		}
		typ := TypeOf(&x)
		name := cmp.Or(x.Name(), fmt.Sprintf("parameter %d", len(list)))
		list = append(list, LayoutMember{types.Member{Name: name, Type: s.Text(typ), Size: s.Size(typ, 0)}, typ})
	}
	if e.Has(dwarf.AttrNoReturn) {
		list = append(list, LayoutMember{types.Member{Name: noReturn, Type: "noreturn"}, 0})
	}
	return list
}

// Size returns the size of a type in bytes; 0 when it has none.
func (s *Side) Size(off uint64, depth int) uint64 {
	var t Resolved
	if depth > MaxDepth || !s.Resolve(&t, off) || t.Tag == dwarf.TagNull {
		return 0
	}
	switch t.Tag {
	case dwarf.TagPointer, dwarf.TagReference, dwarf.TagRvalueReference:
		return 8
	case dwarf.TagSubroutineType:
		return 0
	case dwarf.TagArray:
		n := s.Size(TypeOf(&t.Entry), depth+1)
		r := dwarf.ChildrenOf(&t.Entry)
		var x dwarf.Entry
		for NextOf(&r, &x, dwarf.TagSubrange) {
			n *= uint64(max(Elements(&x), 0))
		}
		return n
	}
	n, _ := t.Int(dwarf.AttrByteSize)
	return uint64(n)
}

// Change compares two layouts member by member. Members are the same by name,
// and so are parameters, unless a declaration has none: then by position.
func (c *Comparer) Change(t *types.Change, pre, post []LayoutMember) {
	t.Pre.Members, t.Post.Members = plainMembers(pre), plainMembers(post)
	twin := make([]int, len(post)) // in pre, or -1
	gone := make([]bool, len(pre))
	c.pairMembers(t.Kind, pre, post, twin, gone)
	furthest := 0 // of pre that has a twin
	next := 0     // of pre that is not yet reported as removed
	for j := range post {
		i := twin[j]
		for ; i >= 0 && next < i; next++ {
			if gone[next] {
				t.Members = append(t.Members, types.MemberChange{What: types.MemberRemoved, Pre: &t.Pre.Members[next]})
				gone[next] = false
			}
		}
		if i < 0 {
			t.Members = append(t.Members, types.MemberChange{What: types.MemberAdded, Post: &t.Post.Members[j]})
			continue
		}
		what, differs := c.memberDiffers(t.Kind, &pre[i], &post[j])
		if t.Kind == types.SignatureChanged && !differs && i < furthest {
			what, differs = types.MemberMoved, true
		}
		furthest = max(furthest, i)
		if differs {
			t.Members = append(t.Members, types.MemberChange{What: what, Pre: &t.Pre.Members[i], Post: &t.Post.Members[j]})
		}
	}
	for i := range gone {
		if gone[i] {
			t.Members = append(t.Members, types.MemberChange{What: types.MemberRemoved, Pre: &t.Pre.Members[i]})
		}
	}
}

func plainMembers(list []LayoutMember) []types.Member {
	out := make([]types.Member, len(list))
	for i := range list {
		out[i] = list[i].Member
	}
	return out
}

// pairMembers finds for each member of post that of pre, and marks those of pre
// that none has.
func (c *Comparer) pairMembers(kind types.Kind, pre, post []LayoutMember, twin []int, gone []bool) {
	byName := map[string]int{}
	for i := range pre {
		gone[i] = true
		byName[pre[i].Name] = i
	}
	common := 0
	for j := range post {
		if _, ok := byName[post[j].Name]; ok {
			common++
		}
	}
	byPosition := kind == types.SignatureChanged && common < min(len(pre), len(post))
	for j := range post {
		twin[j] = -1
		i, ok := byName[post[j].Name]
		if byPosition {
			i, ok = j, j < len(pre)
		}
		if ok && gone[i] {
			twin[j], gone[i] = i, false
		}
	}
	if kind == types.SignatureChanged {
		return
	}
	type place struct {
		BitRange
		value int64
	}
	byPlace := map[place]int{}
	for i := range pre {
		if gone[i] {
			byPlace[place{pre[i].bits(), pre[i].Value}] = i
		}
	}
	for j := range post {
		if twin[j] >= 0 {
			continue
		}
		if i, ok := byPlace[place{post[j].bits(), post[j].Value}]; ok && gone[i] && c.Same(pre[i].Entry, post[j].Entry, 0) {
			twin[j], gone[i] = i, false
		}
	}
}

func (m *LayoutMember) bits() BitRange { return BitRange{m.Offset*8 + uint64(m.Bit), m.Bits} }

// memberDiffers says what happened to a member that both sides have.
func (c *Comparer) memberDiffers(kind types.Kind, a, b *LayoutMember) (types.What, bool) {
	switch {
	case !c.Same(a.Entry, b.Entry, 0) || a.Type == "..." != (b.Type == "..."):
		return types.MemberRetyped, true
	case a.bits() != b.bits() || a.Value != b.Value:
		return types.MemberMoved, true
	case a.Name != b.Name && kind != types.SignatureChanged:
		return types.MemberRenamed, true
	}
	return "", false
}
