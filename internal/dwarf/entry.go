package dwarf

// Entry is a debugging information entry (section 2.1) with the attributes
// that matter here. It is meant to be used for one entry after the other.
type Entry struct {
	Offset   uint64 // in .debug_info, bytes
	Tag      Tag
	Children bool

	unit  *Unit
	end   uint64 // of its attributes
	has   uint64 // a bit for each Attr
	value [attrCount]uint64
	form  [attrCount]form
}

// Unit returns the unit that the entry is in.
func (e *Entry) Unit() *Unit { return e.unit }

// Has reports whether the entry has an attribute.
func (e *Entry) Has(a Attr) bool { return e.has&(1<<a) != 0 }

// entry reads the entry at off. Strings, addresses and offsets into other
// sections are left where they are: their value is their place.
func (u *Unit) entry(e *Entry, off uint64) bool {
	e.Offset, e.unit, e.has = off, u, 0
	if off >= uint64(len(u.data)) {
		return false
	}
	code := uint64(u.data[off])
	if code < 0x80 {
		off++
	} else {
		v, n := uleb(u.data[off:])
		if n == 0 {
			return false
		}
		code, off = v, off+uint64(n)
	}
	if code == 0 {
		e.Tag, e.Children, e.end = TagNull, false, off
		return true
	}
	ab := u.abbrevs.of(code)
	if ab == nil {
		return false
	}
	e.Tag, e.Children = ab.tag, ab.children
	for i := range ab.fields {
		f := &ab.fields[i]
		if f.skip > 0 {
			off += uint64(f.skip)
			continue
		}
		var ok bool
		if off, ok = u.read(e, f, off); !ok {
			return false
		}
	}
	e.end = off
	return off <= uint64(len(u.data))
}

// read reads one value at off, and returns where the next one is.
func (u *Unit) read(e *Entry, f *field, off uint64) (uint64, bool) {
	data := u.data
	if off > uint64(len(data)) {
		return off, false
	}
	left := uint64(len(data)) - off
	if uint64(f.size) > left {
		return off, false
	}
	v, fm := uint64(0), f.form
	switch f.kind {
	case kindConst:
		v = fixed(data[off:], int(f.size))
		off += uint64(f.size)
	case kindField:
		v = off
		off += uint64(f.size)
	case kindRef:
		v = u.off + fixed(data[off:], int(f.size))
		off += uint64(f.size)
	case kindImplicit:
		v = uint64(f.implicit)
	case kindFlag:
		v = 1
	case kindUleb, kindRefUleb:
		x, n := uleb(data[off:])
		if n == 0 {
			return off, false
		}
		v, off = x, off+uint64(n)
		if f.kind == kindRefUleb {
			v += u.off
		}
	case kindSleb:
		x, n := sleb(data[off:])
		if n == 0 {
			return off, false
		}
		v, off = uint64(x), off+uint64(n)
	case kindText:
		s, ok := cut(data[off:])
		if !ok {
			return off, false
		}
		v, off = off, off+uint64(len(s))+1
	case kindBlock:
		return u.readBlock(e, f, off)
	case kindIndirect:
		return u.readIndirect(e, f, off)
	default:
		return off, false
	}
	if f.attr != attrSkip {
		e.value[f.attr], e.form[f.attr] = v, fm
		e.has |= 1 << f.attr
	}
	return off, true
}

// readBlock keeps where a block starts, and in the upper half its length.
func (u *Unit) readBlock(e *Entry, f *field, off uint64) (uint64, bool) {
	n := uint64(0)
	if f.size > 0 {
		n = fixed(u.data[off:], int(f.size))
		off += uint64(f.size)
	} else {
		v, w := uleb(u.data[off:])
		if w == 0 {
			return off, false
		}
		n, off = v, off+uint64(w)
	}
	if n > uint64(len(u.data))-off {
		return off, false
	}
	if f.attr != attrSkip {
		e.value[f.attr], e.form[f.attr] = n<<32|off, f.form
		e.has |= 1 << f.attr
	}
	return off + n, true
}

// readIndirect reads a value whose form stands in front of it.
func (u *Unit) readIndirect(e *Entry, f *field, off uint64) (uint64, bool) {
	v, n := uleb(u.data[off:])
	if n == 0 || v > 0xffff {
		return off, false
	}
	s := shapeOf(form(v))
	if s.kind == kindUnknown || s.kind == kindIndirect || s.kind == kindImplicit {
		return off, false
	}
	return u.read(e, &field{attr: f.attr, kind: s.kind, size: s.size, form: form(v)}, off+uint64(n))
}

// Reader goes through entries in their order.
type Reader struct {
	unit    *Unit
	off     uint64
	bad     bool
	scratch *Entry
}

// Reader returns a reader of the unit's entries that begins with the unit's
// own.
func (u *Unit) Reader() Reader { return Reader{unit: u, off: u.first} }

// ChildrenOf returns a reader that begins with the first child of an entry.
// The end of the children is an entry with [TagNull]; an entry without
// children has none, and so has the reader nothing.
func ChildrenOf(e *Entry) Reader {
	r := Reader{unit: e.unit, off: e.end}
	if !e.Children {
		r.off = e.unit.end
	}
	return r
}

// Next reads the next entry, which is a [TagNull] where a list of children
// ends. It returns false at the end of the unit and when the entry can't be
// read.
func (r *Reader) Next(e *Entry) bool {
	if r.bad || r.off >= r.unit.end {
		return false
	}
	if !r.unit.entry(e, r.off) {
		r.bad = true
		return false
	}
	r.off = e.end
	return true
}

// NextSibling reads the next entry of one list of children. It returns false
// at the end of the list. Before the call that follows, the children of the
// entry have to be skipped, or read to their end.
func (r *Reader) NextSibling(e *Entry) bool { return r.Next(e) && e.Tag != TagNull }

// Err returns what was wrong with the entry that Next could not read.
func (r *Reader) Err() error {
	if !r.bad {
		return nil
	}
	return r.unit.d.info.fail(r.off, "an entry can't be read")
}

// tags is a set of tags below 64.
type tags uint64

func tagSet(list ...Tag) (t tags) {
	for _, tag := range list {
		t |= 1 << tag
	}
	return t
}

func (t tags) has(tag Tag) bool { return tag < 64 && t>>tag&1 != 0 }

// skipPlain moves over entries that have no children, a known size, and a tag
// that is not wanted: most of the entries in between. It reads nothing of them.
func (r *Reader) skipPlain(wanted tags) {
	data, off := r.unit.data, r.off
	for off < uint64(len(data)) && data[off] < 0x80 {
		ab := r.unit.abbrevs.of(uint64(data[off]))
		if ab == nil || ab.children || ab.size < 0 || wanted.has(ab.tag) {
			break
		}
		off += 1 + uint64(ab.size)
	}
	r.off = min(off, r.unit.end)
}

// Skip moves behind the children of an entry, which is the one that Next has
// read last.
func (r *Reader) Skip(e *Entry) {
	if !e.Children || r.bad {
		return
	}
	if e.Has(attrSibling) {
		to, ok := e.Ref(attrSibling)
		if !ok || to <= e.end || to > r.unit.end {
			r.bad = true
			return
		}
		r.off = to
		return
	}
	r.skipTo(e.end)
}

// skipTo moves to the end of the list of children that begins at off.
func (r *Reader) skipTo(off uint64) {
	u := r.unit
	if r.scratch == nil {
		r.scratch = new(Entry)
	}
	for depth := 1; depth > 0; {
		if off >= u.end {
			r.bad, r.off = true, min(off, u.end)
			return
		}
		if code := uint64(u.data[off]); code < 0x80 { // most entries have a known size
			if code == 0 {
				depth--
				off++
				continue
			}
			if ab := u.abbrevs.of(code); ab != nil && ab.size >= 0 {
				off += 1 + uint64(ab.size)
				if ab.children {
					depth++
				}
				continue
			}
		}
		e := r.scratch
		if !u.entry(e, off) {
			r.bad, r.off = true, off
			return
		}
		off = e.end
		switch {
		case e.Tag == TagNull:
			depth--
		case !e.Children:
		case e.Has(attrSibling):
			if to, ok := e.Ref(attrSibling); ok && to > off && to <= u.end {
				off = to
			} else {
				depth++
			}
		default:
			depth++
		}
	}
	r.off = off
}
