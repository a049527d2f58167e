package module

import (
	"debug/elf"
	"encoding/binary"

	"github.com/gosplice/gosplice/splice/module/internal/kcode"
	"github.com/gosplice/gosplice/splice/module/internal/ko"
)

// rows is an array of structures of the module's own code, laid out as that says.
type rows struct {
	sec       *ko.Section
	at        uint64 // offset of the first
	structure string
	layout    kcode.Layout
}

// rows makes room for n structures, and defines a symbol for them, by which the code
// refers to them. With a row more than is written, zeros end the array.
func (c *ownCode) rows(s *ko.Section, name, structure string, n int) rows {
	size := c.layout.Size(structure) * uint64(n)
	r := rows{s, s.Append(8, make([]byte, size)), structure, c.layout}
	c.define(name, elf.STT_OBJECT, s, r.at, size)
	return r
}

// target returns how to reach a row.
func (r *rows) target(i int) ko.Dest {
	return ko.Dest{Symbol: r.sec.Anchor, Addend: int64(r.row(i))}
}

func (r *rows) row(i int) uint64 { return r.at + uint64(i)*r.layout.Size(r.structure) }

// off returns the offset of a member of a row in the section.
func (r *rows) off(i int, member string) uint64 {
	return r.row(i) + r.layout.Offset(r.structure, member)
}

// refer has a member hold the address of something.
func (r *rows) refer(i int, member string, to ko.Dest) {
	r.sec.AddRela(r.off(i, member), elf.R_X86_64_64, to.Symbol, to.Addend)
}

// put writes bytes into a member.
func (r *rows) put(i int, member string, b ...byte) { copy(r.sec.Data[r.off(i, member):], b) }

// put64 writes a number of eight bytes.
func (r *rows) put64(i int, member string, v uint64) {
	binary.LittleEndian.PutUint64(r.sec.Data[r.off(i, member):], v)
}
