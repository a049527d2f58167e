package types

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/object"
)

// ErrNoTypes is returned by elfdiff.Diff.Types when pre or post has no debug
// information about types.
var ErrNoTypes = errors.New("no debug information about types")

// Kind says in one stable word what sort of meaning changed.
type Kind string

// The kinds of changed meaning.
const (
	LayoutChanged    Kind = "layout"    // a structure or union: its size, or a member of it
	EnumChanged      Kind = "enum"      // an enumeration: constants have other values
	SignatureChanged Kind = "signature" // a function: its parameters or its result
	ConstantChanged  Kind = "constant"  // a named constant that is not in memory
)

// What says in one stable word what happened to a member.
type What string

// What can happen to a member, an enumeration constant or a parameter.
const (
	MemberAdded   What = "added"
	MemberRemoved What = "removed"
	MemberMoved   What = "moved"   // another offset, or another value of a constant
	MemberRetyped What = "retyped" // another type; it may have moved as well
	MemberRenamed What = "renamed" // the same place and type
)

// Member is a member of a structure or union, a constant of an
// enumeration, or a parameter. Members of anonymous structures and unions count
// as members of what these are in.
type Member struct {
	Name string `json:"name"`
	Type string `json:"type,omitempty"` // as C writes it, without the name
	// Offset and Size are in bytes. Of a bit-field, Offset is that of the byte
	// in which it begins, at bit Bit, and Bits is its width.
	Offset uint64 `json:"offset"`
	Size   uint64 `json:"size,omitempty"`
	Bit    uint8  `json:"bit,omitempty"`
	Bits   uint64 `json:"bits,omitempty"`
	// Value is that of an enumeration constant.
	Value int64 `json:"value,omitempty"`
}

// Place shows where a member is: +0x10, or +0x10:3-5 for a bit-field.
func (m *Member) Place() string {
	if m.Bits == 1 {
		return fmt.Sprintf("+%#x:%d", m.Offset, m.Bit)
	}
	if m.Bits > 0 {
		return fmt.Sprintf("+%#x:%d-%d", m.Offset, m.Bit, uint64(m.Bit)+m.Bits-1)
	}
	return fmt.Sprintf("+%#x", m.Offset)
}

// Layout is how one side has the type.
type Layout struct {
	Size    uint64   `json:"size"` // bytes; 0 for a function
	Members []Member `json:"members"`
}

// MemberChange is what happened to one member.
type MemberChange struct {
	What What    `json:"what"`
	Pre  *Member `json:"pre,omitempty"`  // nil when it was added
	Post *Member `json:"post,omitempty"` // nil when it was removed
}

// Use is a changed function or data object that a changed type matters to.
type Use struct {
	Symbol string        `json:"symbol"`
	Pre    object.AtomID `json:"-"`
	Post   object.AtomID `json:"-"`
	// Via is an expression that leads from a variable, a parameter or the
	// result of the function to the type, as C has it: sk->sk_prot. "" for its
	// own signature.
	Via string `json:"via,omitempty"`
	// Hops is the number of pointers that the expression follows.
	Hops int `json:"hops"`
	// Touched is set when the code has the offset of a member that differs, or
	// the value of a constant, as an operand in pre and in post. It is a hint:
	// small numbers are frequent.
	Touched bool `json:"touched"`

	Base uint64 // of the type in what Via's last pointer points to, bytes
}

// Change is a change of what data means: of a type, a constant or a
// function's signature. Data that exists already has the meaning of pre, and
// so has the code that is not replaced.
type Change struct {
	Kind    Kind           `json:"kind"`
	Name    string         `json:"name"` // struct foo, enum bar, foo_t, or the name of a function or constant
	Pre     Layout         `json:"pre"`
	Post    Layout         `json:"post"`
	Members []MemberChange `json:"changes"`
	// Because names the type that is a member of this one, and whose size is the
	// reason for all that differs; "" when there is none.
	Because string `json:"because,omitempty"`
	// Private is set for a type that the source itself defines, not a header, and
	// that no function uses which has not changed: old code and new do not meet
	// over it, only data that exists already can.
	Private bool `json:"private,omitempty"`
	// OnStack is set for a type of which it is proven that it lives on stacks only,
	// in variables of functions that all are replaced together: old code and new
	// never meet over one. It holds for targets that replace functions while none of
	// them is on a stack, all at once or task by task.
	OnStack bool `json:"on_stack,omitempty"`
	// Local is set for the signature of a function that only this object's code
	// can name: who calls it was compiled with it.
	Local bool `json:"local,omitempty"`
	// Handed is set for the signature of a function whose address pre hands to others, who call it with the
	// parameters that they know: a table of operations, a timer, whatever takes a callback. It is not Local then.
	Handed bool `json:"handed,omitempty"`
	// Uses are the changed functions and data objects that it matters to, those
	// with the fewest hops first. When there is none, the change is no more than
	// a note.
	Uses []Use `json:"uses"`
}

// nearHops is how many pointers a function is thought to follow from its
// variables without a trace in debug information: p->q.
const nearHops = 2

// Matters reports whether code or data of pre and changed code of post would
// understand the same thing differently: the type is changed in more than names,
// and a changed function or data object uses it, by a variable that leads to it
// in a few steps, or further away with its offsets in the code.
func (t *Change) Matters() bool {
	if t.Local || !t.differs() {
		return false
	}
	for i := range t.Uses {
		if u := &t.Uses[i]; u.Hops <= nearHops || u.Touched {
			return true
		}
	}
	return false
}

// differs reports whether more than names changed, and constants that are new.
func (t *Change) differs() bool {
	if t.Pre.Size != t.Post.Size {
		return true
	}
	for i := range t.Members {
		if w := t.Members[i].What; w != MemberRenamed && (w != MemberAdded || t.Kind != EnumChanged) {
			return true
		}
	}
	return false
}

// String returns the change on one line.
func (t *Change) String() string {
	var b strings.Builder
	b.WriteString(t.Name)
	b.WriteString(": ")
	sep := ""
	if t.Pre.Size != t.Post.Size {
		fmt.Fprintf(&b, "size %d -> %d", t.Pre.Size, t.Post.Size)
		sep = "; "
	}
	if t.Because != "" {
		b.WriteString(" because of " + t.Because)
		return b.String()
	}
	shown := t.Members[:min(len(t.Members), maxMembersShown)]
	for i := range shown {
		b.WriteString(sep + t.memberText(&shown[i]))
		sep = "; "
	}
	if n := len(t.Members) - len(shown); n > 0 {
		fmt.Fprintf(&b, "; and %d more", n)
	}
	return b.String()
}
