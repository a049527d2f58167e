package typediff

import (
	"debug/elf"
	"encoding/binary"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/internal/dtypes"
	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/types"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/dwarf"
	"github.com/gosplice/gosplice/internal/symname"
)

// isStatic reports whether only this object can name a function, or a variant
// of it.
func isStatic(o *object.Object, name string) bool {
	found := false
	for i := range o.Symbols() {
		s := &o.Symbols()[i]
		if base, _ := symname.Variant(s.Name); base != name || s.Type() == elf.STT_SECTION || s.Type() == elf.STT_FILE {
			continue
		}
		if s.Bind() != elf.STB_LOCAL {
			return false
		}
		found = true
	}
	return found
}

// because finds the types that differ in nothing but what the size of another
// one, which is a member of them, brings about.
func (f *typeFinder) because() {
	byEntry := map[uint64]*Found{}
	for i := range f.list {
		if t := &f.list[i]; t.Pre.Size != t.Post.Size && t.Kind == types.LayoutChanged {
			for _, e := range t.entries[0] {
				byEntry[e] = t
			}
		}
	}
	for i := range f.list {
		t := &f.list[i]
		if t.Kind != types.LayoutChanged || t.Pre.Size == t.Post.Size {
			continue
		}
		first := t.Pre.Size
		for _, m := range t.Members {
			if m.What != types.MemberMoved || m.Post.Offset < m.Pre.Offset {
				first = 0
				break
			}
			first = min(first, m.Pre.Offset)
		}
		for k := range t.members {
			m := &t.members[k]
			if m.Offset >= first {
				break
			}
			if inner := byEntry[element(f.c.Side[0], m.Entry)]; inner != nil && inner != t {
				t.Because = inner.Name
				break
			}
		}
	}
}

// element returns the entry of a type without typedefs, or of the elements when
// it is an array.
func element(s *dtypes.Side, off uint64) uint64 {
	var t dtypes.Resolved
	for range dtypes.MaxDepth {
		if !s.Resolve(&t, off) || t.Tag == dwarf.TagNull {
			return 0
		}
		if t.Tag != dwarf.TagArray {
			return t.Offset
		}
		off = dtypes.TypeOf(&t.Entry)
	}
	return 0
}

// operands are the numbers in the instructions of a function: displacements and
// immediates that no relocation fills in.
type operands map[int64]bool

func operandsAt(o *object.Object, a *object.Atom) operands {
	set := operands{}
	if a == nil || a.Kind != object.Func {
		return set
	}
	k := insn.Cursor{Object: o, Atom: a}
	for {
		ok, err := k.Load()
		if !ok || err != nil {
			return set
		}
		b := k.Bytes()
		for _, f := range [...][2]uint8{{k.Inst.DispOff, k.Inst.DispLen}, {k.Inst.ImmOff, k.Inst.ImmLen}} {
			if f[1] > 0 && !k.Relocates(f[0]) && !k.Inst.IsBranch() {
				set[Signed(b[f[0]:f[0]+f[1]])] = true
			}
		}
		k.Advance()
	}
}

// Signed reads a little-endian number of up to eight bytes.
func Signed(b []byte) int64 {
	var v [8]byte
	if copy(v[:], b); len(b) > 0 && len(b) < len(v) && b[len(b)-1]&0x80 != 0 {
		for i := len(b); i < len(v); i++ {
			v[i] = 0xff
		}
	}
	return int64(binary.LittleEndian.Uint64(v[:]))
}

// touched looks for the numbers that changed in the code of the functions.
func (f *typeFinder) touched() {
	cache := [2]map[object.AtomID]operands{{}, {}}
	of := func(side int, id object.AtomID) operands {
		if id == object.NoAtom {
			return nil
		}
		set, ok := cache[side][id]
		if !ok {
			o := f.c.Side[side].Object
			set = operandsAt(o, &o.Atoms[id])
			cache[side][id] = set
		}
		return set
	}
	for i := range f.list {
		t := &f.list[i]
		for k := range t.Uses {
			u := &t.Uses[k]
			u.Touched = u.Touched || touches(&t.Change, of(0, u.Pre), of(1, u.Post), u.Base)
		}
		if t.Kind == types.ConstantChanged || t.Kind == types.EnumChanged && !t.Matters() {
			f.constantUses(t, of) // which no variable tells of
		}
	}
}

// constantUses finds the functions that have constants in their code: nothing else says who uses them.
func (f *typeFinder) constantUses(t *Found, of func(side int, id object.AtomID) operands) {
	for i := range f.d.Functions {
		ch := &f.d.Functions[i]
		if ch.Status != verdict.Changed {
			continue
		}
		p, q := of(0, ch.Pre), of(1, ch.Post)
		if slices.ContainsFunc(t.Members, func(m types.MemberChange) bool {
			return m.Pre != nil && m.Post != nil && means(p, q, m.Pre.Value, m.Post.Value)
		}) {
			t.Uses = append(t.Uses, types.Use{Symbol: ch.Name, Pre: ch.Pre, Post: ch.Post, Touched: true})
		}
	}
}

// means reports whether code has one number in pre and another one in post, where that may be a constant of the source: as
// it is, or as the number of a bit, of which code has the mask.
func means(p, q operands, a, b int64) bool {
	x, y := forms(a), forms(b)
	for i := range min(len(x), len(y)) {
		if a, b := x[i], y[i]; a != b && p[a] && q[b] && (!p[b] || !q[a]) {
			return true
		}
	}
	return false
}

// forms are what code may have for a constant: the number, and the masks of a bit, which set and clear it, in a word, or in
// the byte that it is in.
func forms(n int64) []int64 {
	list := []int64{n}
	if n < 0 || n > 31 {
		return list
	}
	word, inByte := int64(int32(1<<n)), int64(int8(1<<(n&7)))
	return append(list, word, ^word, inByte, ^inByte)
}

// touches reports whether a member that differs is among the operands, when the
// type begins at base of what the code points to. Offset 0 is in no operand.
func touches(t *types.Change, pre, post operands, base uint64) bool {
	for i := range t.Members {
		m := &t.Members[i]
		if m.What == types.MemberRenamed || t.Kind == types.SignatureChanged {
			continue
		}
		if (m.Pre == nil || pre[NumberOf(m.Pre, t.Kind, base)]) && (m.Post == nil || post[NumberOf(m.Post, t.Kind, base)]) {
			return true
		}
	}
	return false
}

// NumberOf is what code has as an operand to reach a member.
func NumberOf(m *types.Member, kind types.Kind, base uint64) int64 {
	if kind == types.LayoutChanged {
		return int64(base + m.Offset)
	}
	return m.Value
}
