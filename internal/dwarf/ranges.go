package dwarf

// Range is a stretch of code in one section.
type Range struct {
	Addr
	Size uint64 // bytes
}

// Contains reports whether a place lies in the range.
func (r Range) Contains(a Addr) bool {
	return a.Section == r.Section && a.Offset-r.Offset < r.Size
}

// Kinds of entries of range lists, section 7.25.
const (
	rleEnd          = 0
	rleBaseAddrx    = 1
	rleStartxEndx   = 2
	rleStartxLength = 3
	rleOffsetPair   = 4
	rleBase         = 5
	rleStartEnd     = 6
	rleStartLength  = 7
)

// AppendRanges appends the code of an entry to list: from DW_AT_low_pc to
// DW_AT_high_pc, or what DW_AT_ranges lists (sections 2.17.2 and 2.17.3). What
// can't be read is left out.
func (e *Entry) AppendRanges(list []Range) []Range {
	if e.Has(AttrRanges) {
		return e.listed(list)
	}
	low, ok := e.Addr(AttrLowPC)
	if !ok || !e.Has(AttrHighPC) {
		return list
	}
	if n, ok := e.Int(AttrHighPC); ok && n > 0 {
		return append(list, Range{low, uint64(n)})
	}
	if high, ok := e.Addr(AttrHighPC); ok {
		return appendSpan(list, low, high)
	}
	return list
}

func appendSpan(list []Range, low, high Addr) []Range {
	if low.Section == high.Section && low.Offset < high.Offset {
		list = append(list, Range{low, high.Offset - low.Offset})
	}
	return list
}

// listed reads a range list.
func (e *Entry) listed(list []Range) []Range {
	u := e.unit
	off, ok := e.offset(AttrRanges)
	if u.version < 5 {
		if ok {
			list = u.pairs(list, off)
		}
		return list
	}
	if e.form[AttrRanges] == formRnglistx {
		at, found := u.d.rnglists.word(indexed(u.rnglistsBase, e.value[AttrRanges], 4))
		off, ok = u.rnglistsBase+at, found
	}
	if !ok {
		return list
	}
	data, err := u.d.rnglists.bytes()
	if err != nil || off > uint64(len(data)) {
		return list
	}
	c := &cursor{s: &u.d.rnglists, b: data, off: off}
	base := u.low
	for {
		var low, high Addr
		switch c.u8() {
		case rleBaseAddrx:
			base = u.indexedAddr(c)
			continue
		case rleBase:
			base = c.relocated(8)
			continue
		case rleStartxEndx:
			low, high = u.indexedAddr(c), u.indexedAddr(c)
		case rleStartxLength:
			low = u.indexedAddr(c)
			high = low.add(c.uleb())
		case rleOffsetPair:
			low, high = base.add(c.uleb()), base.add(c.uleb())
		case rleStartEnd:
			low, high = c.relocated(8), c.relocated(8)
		case rleStartLength:
			low = c.relocated(8)
			high = low.add(c.uleb())
		default: // the end, or nothing that is known
			return list
		}
		if c.bad != "" {
			return list
		}
		list = appendSpan(list, low, high)
	}
}

// indexedAddr reads an index into .debug_addr.
func (u *Unit) indexedAddr(c *cursor) Addr {
	a, ok := u.addrAt(c.uleb())
	if !ok {
		c.fail("an index of an address is wrong")
	}
	return a
}

// pairs reads a list of .debug_ranges (DWARF 4, section 2.17.3): pairs of
// addresses, which are relative to a base where no relocation says more.
func (u *Unit) pairs(list []Range, off uint64) []Range {
	data, err := u.d.ranges.bytes()
	if err != nil || off > uint64(len(data)) {
		return list
	}
	c := &cursor{s: &u.d.ranges, b: data, off: off}
	for base := u.low; ; {
		low, high := c.relocated(8), c.relocated(8)
		switch {
		case c.bad != "" || low == Addr{} && high == Addr{}:
			return list
		case low == Addr{Offset: ^uint64(0)}:
			base = high
			continue
		}
		if low.Section == 0 {
			low = Addr{base.Section, base.Offset + low.Offset}
		}
		if high.Section == 0 {
			high = Addr{base.Section, base.Offset + high.Offset}
		}
		list = appendSpan(list, low, high)
	}
}
