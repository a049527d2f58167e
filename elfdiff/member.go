package elfdiff

import (
	"fmt"

	"github.com/gosplice/gosplice/elfdiff/internal/compare"
	"github.com/gosplice/gosplice/elfdiff/internal/dtypes"
	"github.com/gosplice/gosplice/elfdiff/internal/hazard"
	"github.com/gosplice/gosplice/elfdiff/internal/members"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
)

// MemberAt names what is at an offset, in bytes, of a variable, as C has it
// behind the name of the variable: .open, [3].name, .u.number. It is "" for a
// variable that is no structure, union or array, for padding, and when debug
// information does not say. Of the members of a union it names the first.
func MemberAt(o *object.Object, id object.AtomID, off uint64) string {
	m, _ := MemberPlaceAt(o, id, off)
	return m.Path
}

// MemberPlace is a member of a variable.
type MemberPlace struct {
	Path   string // as [MemberAt] has it
	Offset uint64 // from the start of the variable, bytes
	Size   uint64 // bytes; of a bit-field all that it is in
}

// MemberPlaceAt finds the innermost member at an offset, in bytes, of a variable. ok is
// false where [MemberAt] is "".
func MemberPlaceAt(o *object.Object, id object.AtomID, off uint64) (p MemberPlace, ok bool) {
	if !given(o) || id < 0 || int(id) >= len(o.Atoms) {
		return p, false
	}
	m, ok := members.At(o, id, off*8)
	return MemberPlace{m.Path, m.Offset, m.Size}, ok
}

// DataMember is a member of a variable whose initial value differs.
type DataMember struct {
	// Name is the member as [MemberAt] has it; "" where that is not known.
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
	if !d.given() || ch == nil {
		return nil
	}
	a, b := d.Pre.Atom(ch.Pre), d.Post.Atom(ch.Post)
	if ch.Kind == object.Func || a == nil || b == nil {
		return nil
	}
	var list []DataMember
	members.Differing(compare.NewComparer(d.Pre, d.Post, d.twins), a, b, func(m *members.Member, pre, post string) bool {
		list = append(list, DataMember{m.Path, m.Offset, m.Size, pre, post})
		return len(list) < maxDataMembers
	})
	return list
}

// HoldsLock reports whether a variable of post is a lock of the kernel, or has one in it, also what tasks wait at: by its
// type, or, where debug information does not tell that, by the functions that are called with its address.
func (d *Diff) HoldsLock(post object.AtomID) bool {
	if !d.given() {
		return false
	}
	a := d.Post.Atom(post)
	if a == nil {
		return false
	}
	if s, typ := dtypes.OfVariable(d.Post, a); typ != 0 {
		return hazard.HasLock(s, typ)
	}
	_, is := hazard.LocksOf(d.Pre, d.Post)
	return is.Locked(post)
}
