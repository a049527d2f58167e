package ehframe

import "fmt"

// An Encoding is a pointer encoding, DW_EH_PE_* (LSB Core 5.0, 10.5.1). The low
// four bits are the format, the next three what it is relative to.
type Encoding byte

// The encodings that exist. Those of the second group are combined with one of
// the first.
const (
	PEAbsptr  Encoding = 0x00
	PEUleb128 Encoding = 0x01
	PEUdata2  Encoding = 0x02
	PEUdata4  Encoding = 0x03
	PEUdata8  Encoding = 0x04
	PESleb128 Encoding = 0x09
	PESdata2  Encoding = 0x0a
	PESdata4  Encoding = 0x0b
	PESdata8  Encoding = 0x0c

	PEPcrel    Encoding = 0x10
	PETextrel  Encoding = 0x20
	PEDatarel  Encoding = 0x30
	PEFuncrel  Encoding = 0x40
	PEAligned  Encoding = 0x50
	PEIndirect Encoding = 0x80
	PEOmit     Encoding = 0xff
)

func (e Encoding) format() Encoding { return e & 0x0f }
func (e Encoding) base() Encoding   { return e & 0x70 }

// raw reads a field without what it is relative to.
func (c *cursor) raw(e Encoding) uint64 {
	switch e.format() {
	case PEAbsptr, PEUdata8, PESdata8:
		return c.fixed(8)
	case PEUdata4:
		return c.fixed(4)
	case PESdata4:
		return uint64(c.signed(4))
	case PEUdata2:
		return c.fixed(2)
	case PESdata2:
		return uint64(c.signed(2))
	case PEUleb128:
		return c.uleb()
	case PESleb128:
		return uint64(c.sleb())
	}
	c.fail(fmt.Sprintf("unknown pointer encoding %#02x", byte(e)))
	return 0
}

// pointer reads a field. place is the address of byte 0 of the cursor, data what
// PEDatarel is relative to. An indirect pointer yields the address where the
// pointer is: memory is not at hand here.
func (c *cursor) pointer(e Encoding, place, data uint64) uint64 {
	at := place + uint64(c.off)
	v := c.raw(e)
	if v == 0 {
		return 0 // null, whatever it would be relative to
	}
	switch e.base() {
	case 0:
	case PEPcrel:
		v += at
	case PEDatarel:
		v += data
	default:
		c.fail(fmt.Sprintf("unsupported pointer encoding %#02x", byte(e)))
		return 0
	}
	return v
}
