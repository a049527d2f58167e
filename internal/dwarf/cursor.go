package dwarf

// cursor reads numbers from a part of a section. The first failure wins: later
// reads return zero, so that one check at the end is enough.
type cursor struct {
	s   *section
	b   []byte // of the section, up to where this part ends
	off uint64 // from the start of the section
	bad string
	// plain says that fields hold their values already, see [NewLinked].
	plain bool
}

func (c *cursor) err() error {
	if c.bad == "" {
		return nil
	}
	return c.s.fail(c.off, "%s", c.bad)
}

func (c *cursor) fail(msg string) {
	if c.bad == "" {
		c.bad = msg
	}
}

const truncated = "it ends too early"

func (c *cursor) left() uint64 {
	if c.bad != "" {
		return 0
	}
	return uint64(len(c.b)) - c.off
}

func (c *cursor) skip(n uint64) {
	if n > c.left() {
		c.fail(truncated)
		return
	}
	c.off += n
}

// fixed reads a number of size bytes without its relocation.
func (c *cursor) fixed(size int) uint64 {
	if uint64(size) > c.left() {
		c.fail(truncated)
		return 0
	}
	v := fixed(c.b[c.off:], size)
	c.off += uint64(size)
	return v
}

// relocated reads a number of size bytes with its relocation.
func (c *cursor) relocated(size int) Addr {
	if uint64(size) > c.left() {
		c.fail(truncated)
		return Addr{}
	}
	if c.plain {
		return Addr{Offset: c.fixed(size)}
	}
	a, ok := c.s.field(c.off, size)
	if !ok {
		c.fail("its relocation means no place in the object")
		return Addr{}
	}
	c.off += uint64(size)
	return a
}

func (c *cursor) u8() byte { return byte(c.fixed(1)) }

func (c *cursor) uleb() uint64 {
	if c.left() == 0 {
		c.fail(truncated)
		return 0
	}
	v, n := uleb(c.b[c.off:])
	if n == 0 {
		c.fail("a number does not end, or is too large")
		return 0
	}
	c.off += uint64(n)
	return v
}

func (c *cursor) sleb() int64 {
	if c.left() == 0 {
		c.fail(truncated)
		return 0
	}
	v, n := sleb(c.b[c.off:])
	if n == 0 {
		c.fail("a number does not end, or is too large")
		return 0
	}
	c.off += uint64(n)
	return v
}

// text returns the offset of a string in the section, and moves behind it.
func (c *cursor) text() []byte {
	if c.left() == 0 {
		c.fail(truncated)
		return nil
	}
	b, ok := cut(c.b[c.off:])
	if !ok {
		c.fail("a string does not end")
		return nil
	}
	c.off += uint64(len(b)) + 1
	return b
}

// uleb decodes a ULEB128 number (DWARF 5, section 7.6); n is 0 when it does
// not end or has more than 64 bits.
func uleb(b []byte) (v uint64, n int) {
	for shift := uint(0); n < len(b) && shift < 70; shift += 7 {
		c := b[n]
		n++
		if shift == 63 && c > 1 {
			return 0, 0
		}
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v, n
		}
	}
	return 0, 0
}

// sleb decodes a SLEB128 number likewise.
func sleb(b []byte) (v int64, n int) {
	for shift := uint(0); n < len(b) && shift < 70; shift += 7 {
		c := b[n]
		n++
		v |= int64(c&0x7f) << shift
		if c < 0x80 {
			if shift += 7; shift < 64 && c&0x40 != 0 {
				v |= -1 << shift
			}
			return v, n
		}
	}
	return 0, 0
}
