package elfdiff

import (
	"cmp"
	"fmt"

	"github.com/gosplice/gosplice/elfdiff/types"
	"github.com/gosplice/gosplice/internal/dwarf"
)

// layoutMember is a member with its type's entry.
type layoutMember struct {
	types.Member
	typ uint64
}

// maxLayout bounds the members of one layout.
const maxLayout = 1 << 14

// layout lists what is in a structure, union or enumeration.
func (s *typeSide) layout(e *dwarf.Entry) (size uint64, list []layoutMember) {
	n, _ := e.Int(dwarf.AttrByteSize)
	if e.Tag == dwarf.TagEnumeration {
		return uint64(n), s.enumerators(e)
	}
	return uint64(n), s.members(nil, e, 0, 0)
}

// members appends the members of a structure that begins at bit base. Those of
// members without a name are put in their place.
func (s *typeSide) members(list []layoutMember, e *dwarf.Entry, base uint64, depth int) []layoutMember {
	r := dwarf.ChildrenOf(e)
	var x dwarf.Entry
	for nextOf(&r, &x, dwarf.TagMember) && len(list) < maxLayout {
		b := bitPlace(&x)
		b.at += base
		typ := typeOf(&x)
		name := x.Name()
		if name == "" && depth < maxTypeDepth {
			var t resolved
			if s.resolve(&t, typ) && (isClass(t.Tag) || t.Tag == dwarf.TagUnion) {
				list = s.members(list, &t.Entry, b.at, depth+1)
				continue
			}
		}
		m := layoutMember{types.Member{Name: name, Type: s.typeText(typ), Offset: b.at / 8, Size: s.size(typ, 0)}, typ}
		if b.width > 0 {
			m.Bit, m.Bits, m.Size = uint8(b.at%8), b.width, 0
		}
		list = append(list, m)
	}
	return list
}

func (s *typeSide) enumerators(e *dwarf.Entry) (list []layoutMember) {
	r := dwarf.ChildrenOf(e)
	var x dwarf.Entry
	for nextOf(&r, &x, dwarf.TagEnumerator) && len(list) < maxLayout {
		v, _ := x.Int(dwarf.AttrConstValue)
		list = append(list, layoutMember{types.Member{Name: x.Name(), Value: v}, 0})
	}
	return list
}

// resultName stands for the result in the layout of a function.
const resultName = "(result)"

// signature lists the result and the parameters of a function.
func (s *typeSide) signature(e *dwarf.Entry) (list []layoutMember) {
	typ := typeOf(e)
	list = append(list, layoutMember{types.Member{Name: resultName, Type: s.typeText(typ), Size: s.size(typ, 0)}, typ})
	r := dwarf.ChildrenOf(e)
	var x dwarf.Entry
	for nextParameter(&r, &x) && len(list) < maxLayout {
		if x.Tag == dwarf.TagUnspecified {
			list = append(list, layoutMember{types.Member{Name: "...", Type: "..."}, 0})
			continue
		}
		typ := typeOf(&x)
		name := cmp.Or(x.Name(), fmt.Sprintf("parameter %d", len(list)))
		list = append(list, layoutMember{types.Member{Name: name, Type: s.typeText(typ), Size: s.size(typ, 0)}, typ})
	}
	return list
}

// size returns the size of a type in bytes; 0 when it has none.
func (s *typeSide) size(off uint64, depth int) uint64 {
	var t resolved
	if depth > maxTypeDepth || !s.resolve(&t, off) || t.Tag == dwarf.TagNull {
		return 0
	}
	switch t.Tag {
	case dwarf.TagPointer, dwarf.TagReference, dwarf.TagRvalueReference:
		return 8
	case dwarf.TagSubroutineType:
		return 0
	case dwarf.TagArray:
		n := s.size(typeOf(&t.Entry), depth+1)
		r := dwarf.ChildrenOf(&t.Entry)
		var x dwarf.Entry
		for nextOf(&r, &x, dwarf.TagSubrange) {
			n *= uint64(max(elements(&x), 0))
		}
		return n
	}
	n, _ := t.Int(dwarf.AttrByteSize)
	return uint64(n)
}

// change compares two layouts member by member. Members are the same by name,
// and so are parameters, unless a declaration has none: then by position.
func (c *typeComparer) change(t *types.Change, pre, post []layoutMember) {
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

func plainMembers(list []layoutMember) []types.Member {
	out := make([]types.Member, len(list))
	for i := range list {
		out[i] = list[i].Member
	}
	return out
}

// pairMembers finds for each member of post that of pre, and marks those of pre
// that none has.
func (c *typeComparer) pairMembers(kind types.Kind, pre, post []layoutMember, twin []int, gone []bool) {
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
		bitRange
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
		if i, ok := byPlace[place{post[j].bits(), post[j].Value}]; ok && gone[i] && c.same(pre[i].typ, post[j].typ, 0) {
			twin[j], gone[i] = i, false
		}
	}
}

func (m *layoutMember) bits() bitRange { return bitRange{m.Offset*8 + uint64(m.Bit), m.Bits} }

// memberDiffers says what happened to a member that both sides have.
func (c *typeComparer) memberDiffers(kind types.Kind, a, b *layoutMember) (types.What, bool) {
	switch {
	case !c.same(a.typ, b.typ, 0) || a.Type == "..." != (b.Type == "..."):
		return types.MemberRetyped, true
	case a.bits() != b.bits() || a.Value != b.Value:
		return types.MemberMoved, true
	case a.Name != b.Name && kind != types.SignatureChanged:
		return types.MemberRenamed, true
	}
	return "", false
}
