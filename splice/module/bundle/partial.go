package bundle

import (
	"github.com/cilium/ebpf/btf"

	"github.com/gosplice/gosplice/internal/dwarf"
)

// fits reports whether new code may take a type of the kernel for its own: where it is used as a whole, that
// is the same; else each of its members that the new code names is at the same place, and the same.
func (c *comparer) fits(off uint64, t btf.Type) bool {
	var e dwarf.Entry
	if !c.data.Entry(&e, off) {
		return false
	}
	if c.sized || c.entire[off] || e.Tag != dwarf.TagStructure && e.Tag != dwarf.TagUnion {
		return c.equal(off, t, 0)
	}
	return c.named(&e, t, 0, 0)
}

// named compares the members that are named, also those inside what has no name.
func (c *comparer) named(e *dwarf.Entry, t btf.Type, base int64, depth int) bool {
	var m, inner dwarf.Entry
	for r := dwarf.ChildrenOf(e); e.Children && r.NextSibling(&m); r.Skip(&m) {
		if m.Tag != dwarf.TagMember {
			continue
		}
		bit, width, ok := place(&m)
		typ, typed := m.Ref(dwarf.AttrType)
		if !ok || !typed || depth > maxDepth {
			return false
		}
		if m.Name() == "" {
			if c.data.Entry(&inner, typ) && !c.named(&inner, t, base+bit, depth+1) {
				return false
			}
			continue
		}
		if !c.members[m.Name()] {
			continue
		}
		x, at, ok := member(t, m.Name(), 0, 0)
		if !ok || at != base+bit || int64(x.BitfieldSize) != width || !c.equal(typ, x.Type, 0) || c.isFlat(typ, x.Type) {
			c.because("%s at +%#x", m.Name(), (base+bit)/8)
			return false
		}
	}
	return true
}

// place is where a member is in what it is a member of, in bits, and its width where it is a bit-field.
func place(m *dwarf.Entry) (bit, width int64, ok bool) {
	at, _ := m.Int(dwarf.AttrMemberLocation)
	bits, _ := m.Int(dwarf.AttrDataBitOffset)
	width, _ = m.Int(dwarf.AttrBitSize)
	return at*8 + bits, width, !m.Has(dwarf.AttrBitOffset)
}

// member finds a member by its name, also inside what has no name.
func member(t btf.Type, name string, base int64, depth int) (found btf.Member, at int64, ok bool) {
	var list []btf.Member
	switch x := plain(t).(type) {
	case *btf.Struct:
		list = x.Members
	case *btf.Union:
		list = x.Members
	}
	for i := range list {
		m := &list[i]
		at := base + int64(m.Offset)
		if m.Name == name {
			return *m, at, true
		}
		if m.Name == "" && depth < maxDepth {
			if found, at, ok := member(m.Type, name, at, depth+1); ok {
				return found, at, true
			}
		}
	}
	return found, 0, false
}
