package dwarf

// Int returns a number: a constant or a flag. ok is false when the entry does
// not have it, or it is something else. Numbers of a fixed size do not say
// whether they are signed; they are taken as unsigned.
func (e *Entry) Int(a Attr) (v int64, ok bool) {
	if !e.Has(a) {
		return 0, false
	}
	switch e.form[a] {
	case formData1, formData2, formData4, formData8, formFlag, formFlagPresent, formUdata, formSdata, formImplicitConst:
		return int64(e.value[a]), true
	}
	return 0, false
}

// Signed reports whether the number was written as a signed one.
func (e *Entry) Signed(a Attr) bool {
	return e.form[a] == formSdata || e.form[a] == formImplicitConst
}

// Flag reports whether a flag is set.
func (e *Entry) Flag(a Attr) bool {
	v, ok := e.Int(a)
	return ok && v != 0
}

// Ref returns the offset in .debug_info of the entry that an attribute refers
// to.
func (e *Entry) Ref(a Attr) (off uint64, ok bool) {
	if !e.Has(a) {
		return 0, false
	}
	switch e.form[a] {
	case formRef1, formRef2, formRef4, formRef8, formRefUdata:
		return e.value[a], true
	case formRefAddr:
		at, ok := e.unit.field(e.value[a], 4)
		return at.Offset, ok
	}
	return 0, false
}

// Block returns the bytes of a block or an expression, and where they are in
// .debug_info.
func (e *Entry) Block(a Attr) (b []byte, off uint64, ok bool) {
	if !e.Has(a) {
		return nil, 0, false
	}
	switch e.form[a] {
	case formBlock, formBlock1, formBlock2, formBlock4, formExprloc:
		n, off := e.value[a]>>32, e.value[a]&0xffffffff
		return e.unit.data[off : off+n : off+n], off, true
	}
	return nil, 0, false
}

// Text returns a string, sliced from its section. It is nil when the entry
// does not have it, or it can't be read.
func (e *Entry) Text(a Attr) []byte {
	if !e.Has(a) {
		return nil
	}
	d, v := e.unit.d, e.value[a]
	var b []byte
	switch e.form[a] {
	case formString:
		b, _ = cut(e.unit.data[v:])
	case formStrp:
		if at, ok := e.unit.field(v, 4); ok && at.Offset < uint64(len(e.unit.text)) {
			b, _ = cut(e.unit.text[at.Offset:])
		}
	case formLineStrp:
		if at, ok := e.unit.field(v, 4); ok {
			b, _ = d.lineStr.text(at.Offset)
		}
	case formStrx, formStrx1, formStrx2, formStrx3, formStrx4:
		if at, ok := d.strOffsets.word(indexed(e.unit.strOffsets, v, 4)); ok {
			b, _ = d.str.text(at)
		}
	}
	return b
}

// field reads a field of an entry, which is within the unit, with its
// relocation.
func (u *Unit) field(off uint64, size int) (Addr, bool) { return u.relocs.field(u.data, off, size) }

// Name returns the name, or "".
func (e *Entry) Name() string { return string(e.Text(AttrName)) }

// indexed returns the offset of entry i of a table at base.
func indexed(base, i, size uint64) uint64 {
	if i > 1<<32 {
		return 1 << 40 // out of any section
	}
	return base + i*size
}

// Addr returns an address as the place that its relocation means.
func (e *Entry) Addr(a Attr) (Addr, bool) {
	if !e.Has(a) {
		return Addr{}, false
	}
	switch e.form[a] {
	case formAddr:
		return e.unit.field(e.value[a], 8)
	case formAddrx, formAddrx1, formAddrx2, formAddrx3, formAddrx4:
		return e.unit.addrAt(e.value[a])
	}
	return Addr{}, false
}

// addrAt returns entry i of the unit's table in .debug_addr.
func (u *Unit) addrAt(i uint64) (Addr, bool) {
	return u.d.addr.field(indexed(u.addrBase, i, 8), 8)
}

// offset returns an offset into another debug section.
func (e *Entry) offset(a Attr) (uint64, bool) {
	if !e.Has(a) || e.form[a] != formSecOffset {
		return 0, false
	}
	at, ok := e.unit.field(e.value[a], 4)
	return at.Offset, ok
}

// Operations of expressions that are an address alone, section 7.7.1.
const (
	opAddr  = 0x03
	opAddrx = 0xa1
)

// Place returns where a variable is kept when that is a fixed place in a
// section.
func (e *Entry) Place() (Addr, bool) {
	b, off, ok := e.Block(AttrLocation)
	if !ok || len(b) < 2 {
		return Addr{}, false
	}
	switch b[0] {
	case opAddr:
		if len(b) == 9 {
			return e.unit.field(off+1, 8)
		}
	case opAddrx:
		if i, n := uleb(b[1:]); n == len(b)-1 {
			return e.unit.addrAt(i)
		}
	}
	return Addr{}, false
}

// StringOffset returns where in [Data.Strings] a string is. ok is false when it
// stands somewhere else, or there is none.
func (e *Entry) StringOffset(a Attr) (off uint64, ok bool) {
	if !e.Has(a) {
		return 0, false
	}
	switch e.form[a] {
	case formStrp:
		at, ok := e.unit.field(e.value[a], 4)
		return at.Offset, ok
	case formStrx, formStrx1, formStrx2, formStrx3, formStrx4:
		return e.unit.d.strOffsets.word(indexed(e.unit.strOffsets, e.value[a], 4))
	}
	return 0, false
}

// Strings returns .debug_str.
func (d *Data) Strings() []byte {
	b, _ := d.str.bytes()
	return b
}
