package elfdiff

import (
	"bytes"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/dwarf"
)

// typeSide is the debug information of pre or post about types.
type typeSide struct {
	o *object.Object
	d *dwarf.Data
	x *dwarf.Index
}

// typeComparer compares types of pre with types of post. A type is referred to
// by the offset of its entry; 0 is void.
type typeComparer struct {
	side [2]*typeSide
	// cache holds verdicts on pairs of types, by a hash of both: most members
	// have one of a few types.
	cache []typePair
	// budget is how many pairs may still be looked at. What compilers write
	// needs a few for each entry; types that consist of each other in a hostile
	// object could need as many as there are paths.
	budget int
	names  nameMatcher
}

const typeCache = 1 << 12 // of pairs

type typePair struct {
	pre, post uint64
	same      bool
}

// resolved is a type without typedefs and qualifiers.
type resolved struct {
	dwarf.Entry // TagNull for void
	// typedef is the name of the typedef that names a structure, union or
	// enumeration without a tag.
	typedef []byte
}

// named reports whether the type has a name of its own.
func (t *resolved) named() bool { return len(t.typedef) > 0 || t.Has(dwarf.AttrName) }

// maxTypedefs bounds a chain of typedefs and qualifiers.
const maxTypedefs = 64

// resolve goes through typedefs and qualifiers. ok is false when an entry can't
// be read.
func (s *typeSide) resolve(t *resolved, off uint64) (ok bool) {
	typedef := uint64(0)
	t.typedef = nil
	for range maxTypedefs {
		if off == 0 {
			t.Tag = dwarf.TagNull
			return true
		}
		if !s.d.Entry(&t.Entry, off) {
			return false
		}
		switch t.Tag {
		case dwarf.TagTypedef:
			typedef = off
		case dwarf.TagConst, dwarf.TagVolatile, dwarf.TagRestrict, dwarf.TagAtomic:
		case dwarf.TagStructure, dwarf.TagClass, dwarf.TagUnion, dwarf.TagEnumeration:
			if typedef != 0 && !t.Has(dwarf.AttrName) {
				var e dwarf.Entry
				if s.d.Entry(&e, typedef) {
					t.typedef = e.Text(dwarf.AttrName)
				}
			}
			return true
		default:
			return true
		}
		off = typeOf(&t.Entry)
	}
	return false
}

// typeOf returns the type of an entry, 0 for void.
func typeOf(e *dwarf.Entry) uint64 {
	off, _ := e.Ref(dwarf.AttrType)
	return off
}

// maxTypeDepth bounds how deep types without a name are inside each other.
const maxTypeDepth = 64

// same reports whether two types mean the same. Structures, unions and
// enumerations with a name do when they have the same one: their own
// differences are found on their own.
func (c *typeComparer) same(a, b uint64, depth int) bool {
	if a == 0 || b == 0 {
		return a == b
	}
	slot := &c.cache[(a*31+b)%uint64(len(c.cache))]
	if slot.pre == a && slot.post == b {
		return slot.same
	}
	if c.budget--; c.budget < 0 || depth > maxTypeDepth {
		return false
	}
	same := c.sameResolved(a, b, depth)
	*slot = typePair{a, b, same}
	return same
}

func (c *typeComparer) sameResolved(a, b uint64, depth int) bool {
	var p, q resolved
	if !c.side[0].resolve(&p, a) || !c.side[1].resolve(&q, b) {
		return false
	}
	if p.Tag != q.Tag {
		return isClass(p.Tag) && isClass(q.Tag) && c.sameName(&p, &q)
	}
	switch p.Tag {
	case dwarf.TagNull:
		return true
	case dwarf.TagBaseType:
		return sameInt(&p.Entry, &q.Entry, dwarf.AttrEncoding) && sameInt(&p.Entry, &q.Entry, dwarf.AttrByteSize)
	case dwarf.TagPointer, dwarf.TagReference, dwarf.TagRvalueReference:
		return c.same(typeOf(&p.Entry), typeOf(&q.Entry), depth+1)
	case dwarf.TagArray:
		return c.same(typeOf(&p.Entry), typeOf(&q.Entry), depth+1) && sameDimensions(&p.Entry, &q.Entry)
	case dwarf.TagSubroutineType:
		return c.sameSignature(&p.Entry, &q.Entry, depth+1)
	case dwarf.TagStructure, dwarf.TagClass, dwarf.TagUnion, dwarf.TagEnumeration:
		if p.named() || q.named() {
			return c.sameName(&p, &q)
		}
		return c.sameBody(&p.Entry, &q.Entry, depth+1)
	}
	return c.names.same(&p.Entry, &q.Entry)
}

// sameName compares the names of two structures, unions or enumerations.
func (c *typeComparer) sameName(p, q *resolved) bool {
	return bytes.Equal(p.typedef, q.typedef) && c.names.same(&p.Entry, &q.Entry)
}

func isClass(t dwarf.Tag) bool { return t == dwarf.TagStructure || t == dwarf.TagClass }

func sameInt(p, q *dwarf.Entry, a dwarf.Attr) bool {
	x, ok1 := p.Int(a)
	y, ok2 := q.Int(a)
	return x == y && ok1 == ok2
}

// sameBody compares two structures, unions or enumerations by what is in them.
func (c *typeComparer) sameBody(p, q *dwarf.Entry, depth int) bool {
	if !sameInt(p, q, dwarf.AttrByteSize) {
		return false
	}
	if c.budget--; c.budget < 0 || depth > maxTypeDepth {
		return false
	}
	want := dwarf.TagMember
	if p.Tag == dwarf.TagEnumeration {
		want = dwarf.TagEnumerator
	}
	r, s := dwarf.ChildrenOf(p), dwarf.ChildrenOf(q)
	var x, y dwarf.Entry
	for {
		ok1, ok2 := nextOf(&r, &x, want), nextOf(&s, &y, want)
		if !ok1 || !ok2 {
			return ok1 == ok2
		}
		if !c.names.same(&x, &y) {
			return false
		}
		if want == dwarf.TagEnumerator {
			if !sameInt(&x, &y, dwarf.AttrConstValue) {
				return false
			}
			continue
		}
		if bitPlace(&x) != bitPlace(&y) || !c.same(typeOf(&x), typeOf(&y), depth) {
			return false
		}
	}
}

// nextOf reads the next child with a tag.
func nextOf(r *dwarf.Reader, e *dwarf.Entry, want dwarf.Tag) bool {
	for r.NextSibling(e) {
		if e.Tag == want {
			return true
		}
		r.Skip(e)
	}
	return false
}

// bitRange is where a member is: its first bit from the start of the structure, and
// its width when it is a bit-field.
type bitRange struct{ at, width uint64 }

// bitPlace reads the place of a member: DWARF 5 has the first bit of a bit-field
// (section 5.7.6); DWARF 4 counts from the most significant bit of a storage
// unit (section 5.5.6 there).
func bitPlace(e *dwarf.Entry) bitRange {
	at, _ := e.Int(dwarf.AttrMemberLocation)
	width, _ := e.Int(dwarf.AttrBitSize)
	b := bitRange{uint64(at) * 8, uint64(width)}
	if v, ok := e.Int(dwarf.AttrDataBitOffset); ok {
		b.at = uint64(v)
	} else if v, ok := e.Int(dwarf.AttrBitOffset); ok {
		size, _ := e.Int(dwarf.AttrByteSize)
		b.at += uint64(size)*8 - uint64(v) - b.width
	}
	return b
}

// sameDimensions compares the bounds of two arrays.
func sameDimensions(p, q *dwarf.Entry) bool {
	r, s := dwarf.ChildrenOf(p), dwarf.ChildrenOf(q)
	var x, y dwarf.Entry
	for {
		ok1, ok2 := nextOf(&r, &x, dwarf.TagSubrange), nextOf(&s, &y, dwarf.TagSubrange)
		if !ok1 || !ok2 {
			return ok1 == ok2
		}
		if elements(&x) != elements(&y) {
			return false
		}
	}
}

// elements returns the number of elements of a dimension, or -1 when it has no
// bound.
func elements(e *dwarf.Entry) int64 {
	if n, ok := e.Int(dwarf.AttrCount); ok {
		return n
	}
	if n, ok := e.Int(dwarf.AttrUpperBound); ok {
		return n + 1
	}
	return -1
}

// sameSignature compares the results and parameters of two functions or
// function types.
func (c *typeComparer) sameSignature(p, q *dwarf.Entry, depth int) bool {
	if !c.same(typeOf(p), typeOf(q), depth) {
		return false
	}
	r, s := dwarf.ChildrenOf(p), dwarf.ChildrenOf(q)
	var x, y dwarf.Entry
	for {
		ok1, ok2 := nextParameter(&r, &x), nextParameter(&s, &y)
		if !ok1 || !ok2 {
			return ok1 == ok2
		}
		if x.Tag != y.Tag || x.Tag == dwarf.TagFormalParameter && !c.same(typeOf(&x), typeOf(&y), depth) {
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
