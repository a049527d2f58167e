package dtypes

import (
	"bytes"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/dwarf"
)

// Side is the debug information of pre or post about types.
type Side struct {
	Object *object.Object
	Data   *dwarf.Data
	Index  *dwarf.Index
}

// Comparer compares types of pre with types of post. A type is referred to
// by the offset of its entry; 0 is void.
type Comparer struct {
	Side [2]*Side
	// cache holds verdicts on pairs of types, by a hash of both: most members
	// have one of a few types.
	Cache []Pair
	// budget is how many pairs may still be looked at. What compilers write
	// needs a few for each entry; types that consist of each other in a hostile
	// object could need as many as there are paths.
	Budget int
	Names  nameMatcher
}

// CacheSize is the size of [Comparer].Cache.
const CacheSize = 1 << 12 // of pairs

// Pair is a verdict on two types, in a cache.
type Pair struct {
	pre, post uint64
	same      bool
}

// Resolved is a type without typedefs and qualifiers.
type Resolved struct {
	dwarf.Entry // TagNull for void
	// typedef is the name of the typedef that names a structure, union or
	// enumeration without a tag.
	Typedef []byte
}

// Named reports whether the type has a name of its own.
func (t *Resolved) Named() bool { return len(t.Typedef) > 0 || t.Has(dwarf.AttrName) }

// MaxTypedefs bounds a chain of typedefs and qualifiers.
const MaxTypedefs = 64

// Resolve goes through typedefs and qualifiers. ok is false when an entry can't
// be read.
func (s *Side) Resolve(t *Resolved, off uint64) (ok bool) {
	typedef := uint64(0)
	t.Typedef = nil
	for range MaxTypedefs {
		if off == 0 {
			t.Tag = dwarf.TagNull
			return true
		}
		if !s.Data.Entry(&t.Entry, off) {
			return false
		}
		switch t.Tag {
		case dwarf.TagTypedef:
			typedef = off
		case dwarf.TagConst, dwarf.TagVolatile, dwarf.TagRestrict, dwarf.TagAtomic:
		case dwarf.TagStructure, dwarf.TagClass, dwarf.TagUnion, dwarf.TagEnumeration:
			if typedef != 0 && !t.Has(dwarf.AttrName) {
				var e dwarf.Entry
				if s.Data.Entry(&e, typedef) {
					t.Typedef = e.Text(dwarf.AttrName)
				}
			}
			return true
		default:
			return true
		}
		off = TypeOf(&t.Entry)
	}
	return false
}

// TypeOf returns the type of an entry, 0 for void.
func TypeOf(e *dwarf.Entry) uint64 {
	off, _ := e.Ref(dwarf.AttrType)
	return off
}

// MaxDepth bounds how deep types without a name are inside each other.
const MaxDepth = 64

// Same reports whether two types mean the same. Structures, unions and
// enumerations with a name do when they have the same one: their own
// differences are found on their own.
func (c *Comparer) Same(a, b uint64, depth int) bool {
	if a == 0 || b == 0 {
		return a == b
	}
	slot := &c.Cache[(a*31+b)%uint64(len(c.Cache))]
	if slot.pre == a && slot.post == b {
		return slot.same
	}
	if c.Budget--; c.Budget < 0 || depth > MaxDepth {
		return false
	}
	same := c.sameResolved(a, b, depth)
	*slot = Pair{a, b, same}
	return same
}

func (c *Comparer) sameResolved(a, b uint64, depth int) bool {
	var p, q Resolved
	if !c.Side[0].Resolve(&p, a) || !c.Side[1].Resolve(&q, b) {
		return false
	}
	if p.Tag != q.Tag {
		return IsClass(p.Tag) && IsClass(q.Tag) && c.SameName(&p, &q)
	}
	switch p.Tag {
	case dwarf.TagNull:
		return true
	case dwarf.TagBaseType:
		return SameInt(&p.Entry, &q.Entry, dwarf.AttrEncoding) && SameInt(&p.Entry, &q.Entry, dwarf.AttrByteSize)
	case dwarf.TagPointer, dwarf.TagReference, dwarf.TagRvalueReference:
		return c.Same(TypeOf(&p.Entry), TypeOf(&q.Entry), depth+1)
	case dwarf.TagArray:
		return c.Same(TypeOf(&p.Entry), TypeOf(&q.Entry), depth+1) && SameDimensions(&p.Entry, &q.Entry)
	case dwarf.TagSubroutineType:
		return c.SameSignature(&p.Entry, &q.Entry, depth+1)
	case dwarf.TagStructure, dwarf.TagClass, dwarf.TagUnion, dwarf.TagEnumeration:
		if p.Named() || q.Named() {
			return c.SameName(&p, &q)
		}
		return c.SameBody(&p.Entry, &q.Entry, depth+1)
	}
	return c.Names.same(&p.Entry, &q.Entry)
}

// SameName compares the names of two structures, unions or enumerations.
func (c *Comparer) SameName(p, q *Resolved) bool {
	return bytes.Equal(p.Typedef, q.Typedef) && c.Names.same(&p.Entry, &q.Entry)
}

// IsClass reports whether a tag is that of a structure, which C++ calls a class too.
func IsClass(t dwarf.Tag) bool { return t == dwarf.TagStructure || t == dwarf.TagClass }

// SameInt reports whether both have the same number as an attribute, or neither has it.
func SameInt(p, q *dwarf.Entry, a dwarf.Attr) bool {
	x, ok1 := p.Int(a)
	y, ok2 := q.Int(a)
	return x == y && ok1 == ok2
}

// SameBody compares two structures, unions or enumerations by what is in them.
func (c *Comparer) SameBody(p, q *dwarf.Entry, depth int) bool {
	if !SameInt(p, q, dwarf.AttrByteSize) {
		return false
	}
	if c.Budget--; c.Budget < 0 || depth > MaxDepth {
		return false
	}
	want := dwarf.TagMember
	if p.Tag == dwarf.TagEnumeration {
		want = dwarf.TagEnumerator
	}
	r, s := dwarf.ChildrenOf(p), dwarf.ChildrenOf(q)
	var x, y dwarf.Entry
	for {
		ok1, ok2 := NextOf(&r, &x, want), NextOf(&s, &y, want)
		if !ok1 || !ok2 {
			return ok1 == ok2
		}
		if !c.Names.same(&x, &y) {
			return false
		}
		if want == dwarf.TagEnumerator {
			if !SameInt(&x, &y, dwarf.AttrConstValue) {
				return false
			}
			continue
		}
		if BitPlace(&x) != BitPlace(&y) || !c.Same(TypeOf(&x), TypeOf(&y), depth) {
			return false
		}
	}
}

// NextOf reads the next child with a tag. What a class inherits is a member of it that has no name.
func NextOf(r *dwarf.Reader, e *dwarf.Entry, want dwarf.Tag) bool {
	for r.NextSibling(e) {
		if e.Tag == want || e.Tag == dwarf.TagInheritance && want == dwarf.TagMember {
			return true
		}
		r.Skip(e)
	}
	return false
}

// BitRange is where a member is: its first bit from the start of the structure, and
// its width when it is a bit-field.
type BitRange struct{ At, Width uint64 }

// BitPlace reads the place of a member: DWARF 5 has the first bit of a bit-field
// (section 5.7.6); DWARF 4 counts from the most significant bit of a storage
// unit (section 5.5.6 there).
func BitPlace(e *dwarf.Entry) BitRange {
	at, _ := e.Int(dwarf.AttrMemberLocation)
	width, _ := e.Int(dwarf.AttrBitSize)
	b := BitRange{uint64(at) * 8, uint64(width)}
	if v, ok := e.Int(dwarf.AttrDataBitOffset); ok {
		b.At = uint64(v)
	} else if v, ok := e.Int(dwarf.AttrBitOffset); ok {
		size, _ := e.Int(dwarf.AttrByteSize)
		b.At += uint64(size)*8 - uint64(v) - b.Width
	}
	return b
}

// SameDimensions compares the bounds of two arrays.
func SameDimensions(p, q *dwarf.Entry) bool {
	r, s := dwarf.ChildrenOf(p), dwarf.ChildrenOf(q)
	var x, y dwarf.Entry
	for {
		ok1, ok2 := NextOf(&r, &x, dwarf.TagSubrange), NextOf(&s, &y, dwarf.TagSubrange)
		if !ok1 || !ok2 {
			return ok1 == ok2
		}
		if Elements(&x) != Elements(&y) {
			return false
		}
	}
}

// Elements returns the number of elements of a dimension, or -1 when it has no
// bound.
func Elements(e *dwarf.Entry) int64 {
	if n, ok := e.Int(dwarf.AttrCount); ok {
		return n
	}
	if n, ok := e.Int(dwarf.AttrUpperBound); ok {
		return n + 1
	}
	return -1
}

// SameSignature compares the results and parameters of two functions or
// function types. One that never returned, and does, is another one.
func (c *Comparer) SameSignature(p, q *dwarf.Entry, depth int) bool {
	if p.Has(dwarf.AttrNoReturn) && !q.Has(dwarf.AttrNoReturn) {
		return false
	}
	if !c.Same(TypeOf(p), TypeOf(q), depth) {
		return false
	}
	r, s := dwarf.ChildrenOf(p), dwarf.ChildrenOf(q)
	var x, y dwarf.Entry
	for {
		ok1, ok2 := nextParameter(&r, &x), nextParameter(&s, &y)
		if !ok1 || !ok2 {
			return ok1 == ok2
		}
		if x.Tag != y.Tag || x.Tag == dwarf.TagFormalParameter && !c.Same(TypeOf(&x), TypeOf(&y), depth) {
			return false
		}
	}
}

// nextParameter reads the next parameter, or the dots at the end.
func nextParameter(r *dwarf.Reader, e *dwarf.Entry) bool {
	for r.NextSibling(e) {
		if e.Tag == dwarf.TagFormalParameter || e.Tag == dwarf.TagUnspecified {
			return true
		}
		r.Skip(e)
	}
	return false
}
