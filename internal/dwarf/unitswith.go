package dwarf

import (
	"bytes"
	"context"
	"slices"
)

// A Wanted is a type, or a constant that is not in memory, that units are searched
// for by its name.
type Wanted struct {
	// Tag is TagStructure, which finds classes too, TagUnion, TagEnumeration,
	// TagTypedef, or TagEnumerator for a constant of an enumeration without a name.
	Tag  Tag
	Name string
	// Size is that of a structure or union in bytes; one of another size is another
	// type. 0 takes all.
	Size uint64
}

// UnitsWith yields the units that define some of what is wanted, with the indices of
// it; declarations do not count. Those of a linked file are read as by [Data.EachUnit].
func (d *Data) UnitsWith(ctx context.Context, wanted []Wanted, yield func(u *Unit, which []int)) error {
	s := d.searchFor(wanted)
	if !d.linked {
		return s.inAll(ctx, yield)
	}
	var bad error
	err := d.EachUnit(ctx, s.may, func(u *Unit) bool {
		if bad = s.in(u); len(s.found) > 0 {
			yield(u, s.found)
		}
		return bad == nil
	})
	if err != nil {
		return err
	}
	return bad
}

// inAll goes through the units of an object.
func (s *search) inAll(ctx context.Context, yield func(u *Unit, which []int)) error {
	units, err := s.d.Units()
	for _, u := range units {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.in(u); err != nil {
			return err
		}
		if len(s.found) > 0 {
			yield(u, s.found)
		}
	}
	return err
}

// search is a search for types by name.
type search struct {
	d       *Data
	wanted  []Wanted
	needles [][][]byte // of each: bytes one of which a unit has that names it
	all     bool       // needles say nothing
	tags    tags
	found   []int
}

// maxNeedles bounds how many places in .debug_str a name may have: linkers let
// strings share their ends.
const maxNeedles = 64

func (d *Data) searchFor(wanted []Wanted) *search {
	s := &search{d: d, wanted: wanted, needles: make([][][]byte, len(wanted)), all: d.strOffsets.sec != nil, tags: tagSet(TagNull, TagNamespace)}
	text := d.Strings()
	for i := range wanted {
		w := &wanted[i]
		s.tags |= tagSet(w.Tag)
		switch w.Tag {
		case TagStructure:
			s.tags |= tagSet(TagClass)
		case TagEnumerator:
			s.tags |= tagSet(TagEnumeration, TagVariable)
		}
		name := append([]byte(w.Name), 0)
		s.needles[i] = append(s.needles[i], name) // in the entry itself (DW_FORM_string)
		for from := 0; len(s.needles[i]) <= maxNeedles; {
			at := bytes.Index(text[from:], name)
			if at < 0 {
				break
			}
			from += at
			s.needles[i] = append(s.needles[i], le.AppendUint32(nil, uint32(from)))
			from++
		}
		s.all = s.all || len(s.needles[i]) > maxNeedles
	}
	return s
}

// may reports whether a unit can name anything that is wanted.
func (s *search) may(content []byte) bool {
	if s.all {
		return true
	}
	for _, list := range s.needles {
		if slices.ContainsFunc(list, func(b []byte) bool { return bytes.Contains(content, b) }) {
			return true
		}
	}
	return false
}

// in goes through the outermost entries of a unit.
func (s *search) in(u *Unit) error {
	var e, x Entry
	s.found = s.found[:0]
	r := u.Reader()
	if !r.Next(&e) {
		return r.Err()
	}
	for r.skipPlain(s.tags); r.Next(&e); r.skipPlain(s.tags) {
		if e.Tag == TagNull || e.Tag == TagNamespace {
			continue
		}
		for i := range s.wanted {
			if s.is(&s.wanted[i], &e, &x) && !slices.Contains(s.found, i) {
				s.found = append(s.found, i)
			}
		}
		r.Skip(&e)
	}
	return r.Err()
}

// is compares an entry with what is wanted.
func (s *search) is(w *Wanted, e, x *Entry) bool {
	if w.Tag == TagEnumerator {
		return w.constant(e, x)
	}
	if e.Tag != w.Tag && (e.Tag != TagClass || w.Tag != TagStructure) || e.Has(AttrDeclaration) {
		return false
	}
	if size, ok := e.Int(AttrByteSize); ok && w.Size > 0 && uint64(size) != w.Size {
		return false
	}
	return string(e.Text(AttrName)) == w.Name
}

// constant looks for a constant in an enumeration without a name, or a variable that
// takes no memory.
func (w *Wanted) constant(e, x *Entry) bool {
	switch {
	case e.Tag == TagVariable:
		return e.Has(AttrConstValue) && string(e.Text(AttrName)) == w.Name
	case e.Tag != TagEnumeration || e.Has(AttrName):
		return false
	}
	for r := ChildrenOf(e); r.NextSibling(x); r.Skip(x) {
		if string(x.Text(AttrName)) == w.Name {
			return true
		}
	}
	return false
}
