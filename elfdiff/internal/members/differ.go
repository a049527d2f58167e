package members

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/gosplice/gosplice/elfdiff/internal/compare"
	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
)

// Differing yields the members of two variables or constants whose initial values
// differ, with both, by offset, until yield returns false. Pre and post are compared
// at the same offsets: when the size changed, or the type, names are those of post.
func Differing(c *compare.Comparer, a, b *object.Atom, yield func(m *Member, pre, post string) bool) {
	end := min(a.Size, b.Size) * 8
	for bit := uint64(0); bit < end; {
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
			bit = (off + Stride(x)) * 8
			continue
		}
		m, ok := At(c.Post, b.ID, bit)
		if !ok || m.Size == 0 || m.Size > insn.MaxShown && !m.text || m.end() <= bit || m.Offset+m.Size > end/8 {
			m = Member{Path: m.Path, Offset: off, Size: min(max(Stride(x), Stride(y)), end/8-off)}
		}
		if !yield(&m, valueText(c.Pre, a, &m), valueText(c.Post, b, &m)) {
			return
		}
		bit = m.end()
	}
}

// Stride is how far a reference reaches, in bytes; a byte without one.
func Stride(r *object.Ref) uint64 {
	if r == nil {
		return 1
	}
	return uint64(max(amd64.FieldSize(r.Type), 1))
}

// value reads a member as a number.
func (m *Member) value(a *object.Atom) uint64 {
	var v [8]byte
	for i := range min(m.Size, 8) {
		v[i] = a.ByteAt(m.Offset + i)
	}
	n := binary.LittleEndian.Uint64(v[:])
	if m.bits.Width > 0 && m.bits.Width < 64 {
		n = n >> (m.bits.At % 8) & (1<<m.bits.Width - 1)
	}
	return n
}

// valueText shows the initial value of a member.
func valueText(o *object.Object, a *object.Atom, m *Member) string {
	if r := a.RefAt(m.Offset); r != nil {
		return insn.RefText(o, r)
	}
	if m.text {
		b := make([]byte, m.Size)
		for i := range b {
			b[i] = a.ByteAt(m.Offset + uint64(i))
		}
		return insn.Quote(bytes.TrimRight(b, "\x00"))
	}
	if m.Size > 8 || m.Size == 3 || m.Size > 4 && m.Size < 8 {
		b := make([]byte, m.Size)
		for i := range b {
			b[i] = a.ByteAt(m.Offset + uint64(i))
		}
		return fmt.Sprintf("% x", b)
	}
	v := m.value(a)
	if m.signed {
		shift := 64 - 8*m.Size
		return fmt.Sprint(int64(v<<shift) >> shift)
	}
	if v < 10 {
		return fmt.Sprint(v)
	}
	return fmt.Sprintf("%#x", v)
}
