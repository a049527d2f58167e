package elfdiff

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/gosplice/gosplice/elfdiff/internal/compare"
	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/amd64"
)

// DataMember is a member of a variable whose initial value differs.
type DataMember struct {
	// Name is the member as [Object.MemberAt] has it; "" where that is not known.
	Name string `json:"name"`
	// Offset is from the start of the variable, Size that of the member, both in
	// bytes.
	Offset uint64 `json:"offset"`
	Size   uint64 `json:"size"`
	// Pre and Post are the values: a number, a symbol, a quoted string, or bytes.
	Pre  string `json:"pre"`
	Post string `json:"post"`
}

// String returns the member with both values.
func (m DataMember) String() string {
	name := m.Name
	if name == "" {
		name = fmt.Sprintf("+%#x", m.Offset)
	}
	return fmt.Sprintf("%s: %s -> %s", name, m.Pre, m.Post)
}

// maxDataMembers bounds how many members of one variable are listed.
const maxDataMembers = 1 << 8

// DataMembers lists the members of a changed variable or constant whose initial
// values differ, by offset. Pre and post are compared at the same offsets: when
// its size changed, or its type, names are those of post.
func (d *Diff) DataMembers(ch *verdict.Change) []DataMember {
	a, b := d.Pre.Atom(ch.Pre), d.Post.Atom(ch.Post)
	if ch.Kind == object.Func || a == nil || b == nil {
		return nil
	}
	c := compare.NewComparer(d.Pre, d.Post, d.twins)
	var list []DataMember
	end := min(a.Size, b.Size) * 8
	for bit := uint64(0); bit < end && len(list) < maxDataMembers; {
		off := bit / 8
		x, y := a.RefAt(off), b.RefAt(off)
		if x == nil && y == nil {
			differs := (a.ByteAt(off) ^ b.ByteAt(off)) >> (bit % 8)
			if differs == 0 {
				bit = (off + 1) * 8
				continue
			}
			bit += uint64(bits.TrailingZeros8(differs))
		} else if x != nil && y != nil && c.Isolated(x, y) == "" {
			bit = (off + stride(x)) * 8
			continue
		}
		m, ok := memberAtBit(d.Post, ch.Post, bit)
		if !ok || m.size == 0 || m.size > insn.MaxShown && !m.text || m.end() <= bit || m.off+m.size > end/8 {
			m = memberPlace{path: m.path, off: off, size: min(max(stride(x), stride(y)), end/8-off)}
		}
		list = append(list, DataMember{m.path, m.off, m.size, valueText(d.Pre, a, &m), valueText(d.Post, b, &m)})
		bit = m.end()
	}
	return list
}

// stride is how far a reference reaches, in bytes; a byte without one.
func stride(r *object.Ref) uint64 {
	if r == nil {
		return 1
	}
	return uint64(max(amd64.FieldSize(r.Type), 1))
}

// value reads a member as a number.
func (m *memberPlace) value(a *object.Atom) uint64 {
	var v [8]byte
	for i := range min(m.size, 8) {
		v[i] = a.ByteAt(m.off + i)
	}
	n := binary.LittleEndian.Uint64(v[:])
	if m.bits.Width > 0 && m.bits.Width < 64 {
		n = n >> (m.bits.At % 8) & (1<<m.bits.Width - 1)
	}
	return n
}

// valueText shows the initial value of a member.
func valueText(o *object.Object, a *object.Atom, m *memberPlace) string {
	if r := a.RefAt(m.off); r != nil {
		return insn.RefText(o, r)
	}
	if m.text {
		b := make([]byte, m.size)
		for i := range b {
			b[i] = a.ByteAt(m.off + uint64(i))
		}
		return insn.Quote(bytes.TrimRight(b, "\x00"))
	}
	if m.size > 8 || m.size == 3 || m.size > 4 && m.size < 8 {
		b := make([]byte, m.size)
		for i := range b {
			b[i] = a.ByteAt(m.off + uint64(i))
		}
		return fmt.Sprintf("% x", b)
	}
	v := m.value(a)
	if m.signed {
		shift := 64 - 8*m.size
		return fmt.Sprint(int64(v<<shift) >> shift)
	}
	if v < 10 {
		return fmt.Sprint(v)
	}
	return fmt.Sprintf("%#x", v)
}
