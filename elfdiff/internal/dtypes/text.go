package dtypes

import (
	"fmt"
	"strings"

	"github.com/gosplice/gosplice/internal/dwarf"
)

// MaxText bounds the text of a type, bytes.
const MaxText = 200

// Text writes a type as C does, without the name of what has it:
//
//	const char *
//	u32 [4]
//	int (*)(struct node *, void *)
func (s *Side) Text(off uint64) string {
	t := s.declare(off, "", 0)
	if len(t) > MaxText {
		t = t[:MaxText] + "..."
	}
	return t
}

// declare writes a declaration of inner with a type.
func (s *Side) declare(off uint64, inner string, depth int) string {
	if off == 0 {
		return join("void", inner)
	}
	var e dwarf.Entry
	if depth > 16 || len(inner) > MaxText || !s.Data.Entry(&e, off) {
		return join("?", inner)
	}
	switch e.Tag {
	case dwarf.TagPointer, dwarf.TagReference, dwarf.TagRvalueReference:
		sign := map[dwarf.Tag]string{dwarf.TagPointer: "*", dwarf.TagReference: "&", dwarf.TagRvalueReference: "&&"}[e.Tag]
		inner = sign + inner
		to := TypeOf(&e)
		var target dwarf.Entry
		if to != 0 && s.Data.Entry(&target, to) && (target.Tag == dwarf.TagArray || target.Tag == dwarf.TagSubroutineType) {
			inner = "(" + inner + ")"
		}
		return s.declare(to, inner, depth+1)
	case dwarf.TagArray:
		return s.declare(TypeOf(&e), inner+dimensions(&e), depth+1)
	case dwarf.TagSubroutineType:
		return s.declare(TypeOf(&e), inner+s.parameters(&e, depth), depth+1)
	case dwarf.TagConst, dwarf.TagVolatile, dwarf.TagRestrict, dwarf.TagAtomic:
		return s.qualified(&e, inner, depth)
	}
	return join(TagText(&e), inner)
}

// qualified puts a qualifier where it belongs: behind the star of a pointer,
// and in front of anything else.
func (s *Side) qualified(e *dwarf.Entry, inner string, depth int) string {
	word := map[dwarf.Tag]string{dwarf.TagConst: "const", dwarf.TagVolatile: "volatile", dwarf.TagRestrict: "restrict", dwarf.TagAtomic: "_Atomic"}[e.Tag]
	to := TypeOf(e)
	var target dwarf.Entry
	if to != 0 && s.Data.Entry(&target, to) && target.Tag == dwarf.TagPointer {
		return s.declare(to, join(word, inner), depth+1)
	}
	return word + " " + s.declare(to, inner, depth+1)
}

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + " " + b
}

// Words are what C writes in front of a tag.
var Words = map[dwarf.Tag]string{
	dwarf.TagStructure: "struct", dwarf.TagClass: "struct", dwarf.TagUnion: "union", dwarf.TagEnumeration: "enum",
}

// TagText names a type that is no composition of others.
func TagText(e *dwarf.Entry) string {
	name := e.Name()
	word := Words[e.Tag]
	switch {
	case word != "" && name == "":
		return word + " {...}"
	case name == "":
		return fmt.Sprintf("type %#x", e.Tag)
	}
	return join(word, name)
}

func dimensions(e *dwarf.Entry) string {
	var b strings.Builder
	r := dwarf.ChildrenOf(e)
	var x dwarf.Entry
	for NextOf(&r, &x, dwarf.TagSubrange) && b.Len() < MaxText {
		if n := Elements(&x); n >= 0 {
			fmt.Fprintf(&b, "[%d]", n)
		} else {
			b.WriteString("[]")
		}
	}
	return b.String()
}

// parameters writes the parameters of a function or function type.
func (s *Side) parameters(e *dwarf.Entry, depth int) string {
	var list []string
	r := dwarf.ChildrenOf(e)
	var x dwarf.Entry
	for nextParameter(&r, &x) && len(list) < 32 {
		if x.Tag == dwarf.TagUnspecified {
			list = append(list, "...")
		} else {
			list = append(list, s.declare(TypeOf(&x), "", depth+1))
		}
	}
	if len(list) == 0 {
		list = []string{"void"}
	}
	return "(" + strings.Join(list, ", ") + ")"
}
