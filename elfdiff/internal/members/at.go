package members

import (
	"fmt"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/internal/dtypes"
	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/dwarf"
)

// maxMemberDepth bounds how deep members are in each other.
const maxMemberDepth = 32

// Member is a member of a variable.
type Member struct {
	Path   string // as C has it behind the name of the variable
	Offset uint64 // from the start of the variable, bytes
	Size   uint64 // bytes; of a bit-field all that it is in
	Letter bool   // it is one of an array of characters
	In     string // the structure that has it, as C names it, where it is not an element of an array
	signed bool   // it is a signed number
	text   bool   // it is an array of characters
	bits   dtypes.BitRange
}

// end returns the first bit behind the member.
func (m *Member) end() uint64 {
	if m.bits.Width > 0 {
		return m.bits.At + m.bits.Width
	}
	return (m.Offset + m.Size) * 8
}

// At finds the innermost member at a bit of a variable. ok is false for a variable
// that is no structure, union or array, for padding, and when debug information does
// not say.
func At(o *object.Object, id object.AtomID, bit uint64) (m Member, ok bool) {
	a := o.Atom(id)
	if a == nil || a.Kind == object.Func || bit/8 >= a.Size {
		return m, false
	}
	s, typ := dtypes.OfVariable(o, a)
	if typ == 0 {
		return m, false
	}
	return within(s, typ, bit)
}

// within goes down to the member at a bit of a type.
func within(s *dtypes.Side, typ, bit uint64) (m Member, ok bool) {
	var path strings.Builder
	start := uint64(0) // of what is looked at, bytes
	letter, in := false, ""
	var t dtypes.Resolved
	for range maxMemberDepth {
		if !s.Resolve(&t, typ) {
			return m, false
		}
		switch t.Tag {
		case dwarf.TagArray:
			typ = dtypes.TypeOf(&t.Entry)
			size := s.Size(typ, 0)
			if n := s.Size(t.Offset, 0); n > 0 && n <= insn.MaxQuoted && isChar(s, typ) {
				return Member{Path: path.String(), Offset: start, Size: n, text: true}, true
			}
			letter = isChar(s, typ)
			index, ok := arrayIndex(&t.Entry, size, bit/8-start)
			if !ok {
				return m, false
			}
			in = ""
			path.WriteString(index)
			start += (bit/8 - start) / size * size
		case dwarf.TagStructure, dwarf.TagClass, dwarf.TagUnion:
			x, ok := covering(s, &t.Entry, bit-start*8)
			if !ok {
				return m, false
			}
			in = dtypes.TagText(&t.Entry)
			if name := x.Text(dwarf.AttrName); len(name) > 0 {
				fmt.Fprintf(&path, ".%s", name)
			}
			b := dtypes.BitPlace(&x)
			if b.Width > 0 {
				b.At += start * 8
				return Member{Path: path.String(), Offset: b.At / 8, Size: (b.At%8 + b.Width + 7) / 8, bits: b}, true
			}
			typ = dtypes.TypeOf(&x)
			start += b.At / 8
		default:
			enc, _ := t.Int(dwarf.AttrEncoding)
			signed := t.Tag == dwarf.TagBaseType && (enc == encSigned || enc == encSignedChar)
			return Member{Path: path.String(), Offset: start, Size: s.Size(typ, 0), signed: signed, Letter: letter, In: in}, true
		}
	}
	return m, false
}

// Encodings of base types, DWARF 5, section 7.8.
const (
	encSigned       = 5
	encSignedChar   = 6
	encUnsignedChar = 8
)

// isChar reports whether a type is that of characters, and not a number of one
// byte by the name of a typedef.
func isChar(s *dtypes.Side, off uint64) bool {
	var e dwarf.Entry
	for range dtypes.MaxTypedefs {
		if off == 0 || !s.Data.Entry(&e, off) || e.Tag == dwarf.TagTypedef {
			return false
		}
		if e.Tag == dwarf.TagBaseType {
			enc, _ := e.Int(dwarf.AttrEncoding)
			return enc == encSignedChar || enc == encUnsignedChar && e.Name() == "char"
		}
		off = dtypes.TypeOf(&e)
	}
	return false
}

// arrayIndex writes the indices of the element at an offset.
func arrayIndex(e *dwarf.Entry, size, off uint64) (string, bool) {
	if size == 0 {
		return "", false
	}
	var dims []int64
	r := dwarf.ChildrenOf(e)
	var x dwarf.Entry
	for dtypes.NextOf(&r, &x, dwarf.TagSubrange) {
		dims = append(dims, dtypes.Elements(&x))
	}
	n := off / size
	out := ""
	for i := len(dims) - 1; i > 0; i-- { // of the first dimension what is left
		if dims[i] <= 0 {
			return "", false
		}
		out = fmt.Sprintf("[%d]", n%uint64(dims[i])) + out
		n /= uint64(dims[i])
	}
	return fmt.Sprintf("[%d]", n) + out, len(dims) > 0
}

// covering returns the first member that has a bit.
func covering(s *dtypes.Side, e *dwarf.Entry, bit uint64) (x dwarf.Entry, ok bool) {
	r := dwarf.ChildrenOf(e)
	for dtypes.NextOf(&r, &x, dwarf.TagMember) {
		b := dtypes.BitPlace(&x)
		if b.Width == 0 {
			b.Width = 8 * s.Size(dtypes.TypeOf(&x), 0)
			if b.Width == 0 && isFlexible(s, dtypes.TypeOf(&x)) {
				b.Width = 1 << 62
			}
		}
		if bit >= b.At && bit-b.At < b.Width {
			return x, true
		}
	}
	return x, false
}

// isFlexible reports whether a type is an array without a bound.
func isFlexible(s *dtypes.Side, off uint64) bool {
	var t dtypes.Resolved
	if !s.Resolve(&t, off) || t.Tag != dwarf.TagArray {
		return false
	}
	r := dwarf.ChildrenOf(&t.Entry)
	var x dwarf.Entry
	return !dtypes.NextOf(&r, &x, dwarf.TagSubrange) || dtypes.Elements(&x) < 0
}
