package dwarf

// Unit is a compilation unit: what the compiler made of one source.
type Unit struct {
	d       *Data
	off     uint64 // of its header in .debug_info
	first   uint64 // of its first entry
	end     uint64
	version uint16
	abbrevs *abbrevs
	data    []byte // .debug_info up to end
	relocs  *relocs
	text    []byte // .debug_str

	low          Addr // what ranges are relative to
	strOffsets   uint64
	addrBase     uint64
	rnglistsBase uint64
}

// unitCompile is DW_UT_compile, section 7.5.1: other kinds have no code, or
// refer to another file.
const unitCompile = 1

const maxLength = 0xfffffff0 // of a unit; larger ones announce 64-bit DWARF

// Units returns the compilation units in the order of .debug_info. After an
// error, which is returned too, the rest is missing.
func (d *Data) Units() ([]*Unit, error) {
	if d.units.ready() {
		return d.units.v, d.units.err
	}
	return d.units.get(d.readUnits)
}

func (d *Data) readUnits() ([]*Unit, error) {
	data, err := d.info.bytes()
	if err != nil {
		return nil, err
	}
	rels, err := d.info.relocs()
	if err != nil {
		return nil, err
	}
	text, err := d.str.bytes()
	if err != nil && d.str.sec != nil {
		return nil, err
	}
	var list []*Unit
	c := &cursor{s: &d.info, b: data}
	for c.left() > 0 {
		u, err := d.readUnit(c, d.table)
		if err != nil {
			return list, err
		}
		if u == nil {
			continue
		}
		u.relocs, u.text = rels, text
		if err := u.readRoot(); err != nil {
			return list, err
		}
		list = append(list, u)
	}
	return list, c.err()
}

// readUnit reads the header at the cursor (section 7.5.1.1), and moves behind
// the unit. It returns nil for units that are skipped. The abbreviations come from
// tables.
func (d *Data) readUnit(c *cursor, tables func(off uint64) (*abbrevs, error)) (*Unit, error) {
	u := &Unit{d: d, off: c.off}
	length := c.fixed(4)
	if length >= maxLength {
		c.fail("64-bit DWARF")
	}
	if length > c.left() {
		c.fail("a unit is longer than the section")
	}
	u.end = c.off + length
	u.version = uint16(c.fixed(2))
	typ, addrSize := byte(unitCompile), byte(0)
	var table uint64
	switch u.version {
	case 2, 3, 4:
		table = c.relocated(4).Offset
		addrSize = c.u8()
	case 5:
		typ, addrSize = c.u8(), c.u8()
		table = c.relocated(4).Offset
	default:
		c.fail("an unknown version of DWARF")
	}
	if c.bad == "" && (addrSize != 8 || c.off > u.end) {
		c.fail("addresses are not of 8 bytes, or the header is longer than the unit")
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	u.first, c.off = c.off, u.end
	if typ != unitCompile || u.version < 4 || u.first == u.end {
		return nil, nil
	}
	u.data = c.b[:u.end]
	t, err := tables(table)
	if err != nil {
		return nil, err
	}
	u.abbrevs = t
	return u, nil
}

// readRoot reads the attributes of the unit itself that its other entries
// depend on.
func (u *Unit) readRoot() error {
	var e Entry
	if !u.entry(&e, u.first) {
		return u.d.info.fail(u.first, "the first entry of a unit can't be read")
	}
	if e.Tag != TagCompileUnit {
		return u.d.info.fail(u.first, "a unit begins with an entry of tag %#x", e.Tag)
	}
	for a, p := range map[Attr]*uint64{attrStrOffsetsBase: &u.strOffsets, attrAddrBase: &u.addrBase, attrRnglistsBase: &u.rnglistsBase} {
		if e.Has(a) {
			*p, _ = e.offset(a)
		}
	}
	if e.Has(AttrLowPC) {
		u.low, _ = e.Addr(AttrLowPC)
	}
	return nil
}

// Root returns the entry of the unit itself.
func (u *Unit) Root() (e Entry) {
	u.entry(&e, u.first)
	return e
}

// unitAt returns the unit that holds the entry at off, or nil.
func (d *Data) unitAt(off uint64) *Unit {
	list, _ := d.Units()
	lo, hi := 0, len(list)
	for lo < hi {
		mid := (lo + hi) / 2
		if list[mid].end <= off {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == len(list) || off < list[lo].first {
		return nil
	}
	return list[lo]
}

// Entry reads the entry at an offset of .debug_info. ok is false when there is
// none.
func (d *Data) Entry(e *Entry, off uint64) (ok bool) {
	if u := e.unit; u != nil && u.d == d && off >= u.first && off < u.end { // most often the same
		return u.entry(e, off)
	}
	u := d.unitAt(off)
	return u != nil && u.entry(e, off)
}
