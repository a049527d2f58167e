package ehframe

import (
	"encoding/binary"
	"math/bits"
)

// A cursor reads numbers from bytes. The first failure wins: later reads
// return zero, so that one check at the end is enough.
type cursor struct {
	b   []byte
	off int
	bad string
}

func (c *cursor) fail(msg string) {
	if c.bad == "" {
		c.bad = msg
	}
}

func (c *cursor) left() int {
	if c.bad != "" {
		return 0
	}
	return len(c.b) - c.off
}

// bytes returns the next n bytes, sliced.
func (c *cursor) bytes(n uint64) []byte {
	if c.bad != "" || n > uint64(len(c.b)-c.off) {
		c.fail("truncated")
		return nil
	}
	p := c.b[c.off : c.off+int(n)]
	c.off += int(n)
	return p
}

// fixed reads a little-endian number of 1, 2, 4 or 8 bytes.
func (c *cursor) fixed(n uint64) uint64 {
	p := c.bytes(n)
	if p == nil {
		return 0
	}
	switch n {
	case 1:
		return uint64(p[0])
	case 2:
		return uint64(binary.LittleEndian.Uint16(p))
	case 4:
		return uint64(binary.LittleEndian.Uint32(p))
	}
	return binary.LittleEndian.Uint64(p)
}

func (c *cursor) u8() byte { return byte(c.fixed(1)) }

// signed reads a little-endian number of n bytes and extends its sign.
func (c *cursor) signed(n uint64) int64 { return signExtend(c.fixed(n), n) }

func signExtend(v, n uint64) int64 {
	shift := 64 - 8*n
	return int64(v<<shift) >> shift
}

// uleb reads an unsigned LEB128 number (DWARF 5, 7.6).
func (c *cursor) uleb() uint64 {
	var v uint64
	for shift := 0; ; shift += 7 {
		b := c.u8()
		if c.bad != "" {
			return 0
		}
		low := uint64(b & 0x7f)
		if shift >= 64 && low != 0 || shift < 64 && bits.Len64(low)+shift > 64 {
			c.fail("LEB128 number exceeds 64 bits")
			return 0
		}
		if shift < 64 {
			v |= low << shift
		}
		if b&0x80 == 0 {
			return v
		}
	}
}

// sleb reads a signed LEB128 number. Bits beyond the 64th must repeat the sign.
func (c *cursor) sleb() int64 {
	var v int64
	for shift := 0; ; shift += 7 {
		b := c.u8()
		if c.bad != "" {
			return 0
		}
		switch {
		case shift < 63:
			v |= int64(b&0x7f) << shift
		case shift == 63:
			v |= int64(b) << 63
			fallthrough
		default:
			if sign := byte(v>>63) & 0x7f; b&0x7f != sign {
				c.fail("LEB128 number exceeds 64 bits")
				return 0
			}
		}
		if b&0x80 == 0 {
			if shift < 57 && b&0x40 != 0 {
				v |= -1 << (shift + 7)
			}
			return v
		}
	}
}

// str reads a string up to its NUL, which must come within limit bytes: strings
// of records that are read often must be short.
func (c *cursor) str(limit int) string {
	for i := c.off; c.bad == "" && i < len(c.b) && i-c.off <= limit; i++ {
		if c.b[i] == 0 {
			s := string(c.b[c.off:i])
			c.off = i + 1
			return s
		}
	}
	c.fail("string without end, or too long")
	return ""
}
