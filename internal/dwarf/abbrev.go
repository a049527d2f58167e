package dwarf

import "sync"

// abbrev is an abbreviation declaration (section 7.5.3): what an entry with
// its code holds.
type abbrev struct {
	tag      Tag
	children bool
	size     int32 // of all values in bytes, or -1 when that depends on them
	fields   []field
}

// field is how one value of an entry is read. Values that nobody asks for, and
// take a fixed number of bytes, become one field.
type field struct {
	attr     Attr
	kind     kind
	size     uint8
	form     form
	skip     uint32 // bytes, when attr is attrSkip and kind is kindConst
	implicit int64
}

// abbrevs is a table of abbreviations by code.
type abbrevs struct {
	dense  []abbrev // codes 1, 2, 3, ...
	sparse map[uint64]*abbrev
}

func (t *abbrevs) of(code uint64) *abbrev {
	if code-1 < uint64(len(t.dense)) {
		return &t.dense[code-1]
	}
	return t.sparse[code]
}

// abbrevTables keeps the tables of .debug_abbrev by offset. Units share one,
// or have one each.
type abbrevTables struct {
	mu     sync.Mutex
	tables map[uint64]*abbrevs
	read   uint64 // bytes so far
}

// table returns the table at off.
func (d *Data) table(off uint64) (*abbrevs, error) {
	c := &d.tables
	c.mu.Lock()
	defer c.mu.Unlock()
	if t := c.tables[off]; t != nil {
		return t, nil
	}
	if c.read > 2*d.abbrev.size() {
		return nil, d.abbrev.fail(off, "tables overlap")
	}
	t, n, err := d.freshTable(off)
	if err != nil {
		return nil, err
	}
	c.read += n
	if c.tables == nil {
		c.tables = map[uint64]*abbrevs{}
	}
	c.tables[off] = t
	return t, nil
}

// freshTable reads the table at off, and returns how many bytes it has.
func (d *Data) freshTable(off uint64) (t *abbrevs, size uint64, err error) {
	data, err := d.abbrev.bytes()
	if err != nil {
		return nil, 0, err
	}
	if off > uint64(len(data)) {
		return nil, 0, d.abbrev.fail(off, "a unit has its abbreviations there, behind the end")
	}
	r := &cursor{s: &d.abbrev, b: data, off: off}
	t, err = readAbbrevs(r)
	return t, r.off - off, err
}

func readAbbrevs(c *cursor) (*abbrevs, error) {
	t := &abbrevs{}
	fields := make([]field, 0, 1<<9) // of all, cut into pieces
	for c.bad == "" {
		code := c.uleb()
		if code == 0 {
			break
		}
		a := abbrev{tag: Tag(min(c.uleb(), 0xffff)), children: c.u8() != 0, fields: fields[len(fields):]}
		a.read(c)
		if n := len(fields) + len(a.fields); n <= cap(fields) {
			fields = fields[:n]
		} else {
			fields = make([]field, 0, 1<<9)
		}
		if code == uint64(len(t.dense))+1 && t.sparse == nil {
			t.dense = append(t.dense, a)
			continue
		}
		if t.of(code) != nil {
			c.fail("an abbreviation code is taken")
		}
		if t.sparse == nil {
			t.sparse = map[uint64]*abbrev{}
		}
		t.sparse[code] = &a
	}
	return t, c.err()
}

// read reads the list of attributes.
func (a *abbrev) read(c *cursor) {
	for {
		attr, f := c.uleb(), c.uleb()
		if c.bad != "" || attr == 0 && f == 0 {
			return
		}
		n := field{form: form(min(f, 0xffff))}
		if attr < uint64(len(attrOf)) {
			n.attr = attrOf[attr]
		}
		s := shapeOf(n.form)
		n.kind, n.size = s.kind, s.size
		switch s.kind {
		case kindUnknown:
			c.fail("an attribute has an unknown form")
			return
		case kindImplicit:
			n.implicit = c.sleb()
		}
		a.append(n)
	}
}

func (a *abbrev) append(n field) {
	size, ok := shape{n.kind, n.size}.fixedSize()
	switch {
	case !ok:
		a.size = -1
	case a.size >= 0 && a.size < 1<<20:
		a.size += int32(size)
	case a.size >= 0:
		a.size = -1
	}
	if n.attr == attrSkip && ok {
		if size == 0 {
			return
		}
		if last := len(a.fields) - 1; last >= 0 && a.fields[last].attr == attrSkip && a.fields[last].skip > 0 {
			a.fields[last].skip += uint32(size)
			return
		}
		n.kind, n.skip = kindConst, uint32(size)
	}
	a.fields = append(a.fields, n)
}
