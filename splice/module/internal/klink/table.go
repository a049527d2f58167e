package klink

import (
	"debug/elf"
	"encoding/binary"

	"github.com/gosplice/gosplice/splice/module/internal/kcode"
	"github.com/gosplice/gosplice/splice/module/internal/ko"
)

// A Table is an array of structures of the module's own code, laid out as that says.
type Table struct {
	Section   *ko.Section
	at        uint64 // offset of the first
	structure string
	layout    kcode.Layout
}

// AddTable makes room for n structures, and defines a symbol for them, by which the code
// refers to them. With a row more than is written, zeros end the array.
func (c *Linker) AddTable(s *ko.Section, name, structure string, n int) Table {
	size := c.Layout.Size(structure) * uint64(n)
	r := Table{s, s.Append(8, make([]byte, size)), structure, c.Layout}
	c.Define(name, elf.STT_OBJECT, s, r.at, size)
	return r
}

// Dest returns how to reach a row.
func (r *Table) Dest(i int) ko.Dest {
	return ko.Dest{Symbol: r.Section.Anchor, Addend: int64(r.row(i))}
}

func (r *Table) row(i int) uint64 { return r.at + uint64(i)*r.layout.Size(r.structure) }

// Offset returns the offset of a member of a row in the section.
func (r *Table) Offset(i int, member string) uint64 {
	return r.row(i) + r.layout.Offset(r.structure, member)
}

// Refer has a member hold the address of something.
func (r *Table) Refer(i int, member string, to ko.Dest) {
	r.Section.AddRela(r.Offset(i, member), elf.R_X86_64_64, to.Symbol, to.Addend)
}

// Put writes bytes into a member.
func (r *Table) Put(i int, member string, b ...byte) { copy(r.Section.Data[r.Offset(i, member):], b) }

// Put64 writes a number of eight bytes.
func (r *Table) Put64(i int, member string, v uint64) {
	binary.LittleEndian.PutUint64(r.Section.Data[r.Offset(i, member):], v)
}
