package module

import (
	"debug/elf"
	"fmt"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/elfobj"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/splice"
)

// A check is one stretch of the running kernel that init compares.
type check struct {
	name string // for the log
	addr uint64 // link address
	want []byte
	mask []byte // bits of want that have to be there
	abs  []moved
}

// moved is a field of want that holds an address of the image, which the loader
// slides as it does for the module's own: by a relocation of the same type.
type moved struct {
	off  uint64
	typ  elf.R_X86_64
	addr uint64
}

// expect adds the check of a function that is replaced, or of its cold part.
// Masked is
//
//   - what the kernel's own tables list: it rewrites those places when it
//     boots, when a static branch changes, when someone traces the function;
//   - distances to per-CPU variables: they do not move when the code does.
func (l *linker) expect(f *Function, id elfdiff.AtomID, m *reloc.FuncResult) {
	a := l.pair.Diff.Pre.Atom(id)
	want, err := l.image.Read(m.Address, m.Size)
	if err != nil {
		r := refuse(splice.CodeNotMatched, a.Name, "", m.Address, "its code can't be read")
		r.Err = err
		l.refused.add(r)
		return
	}
	c := check{name: a.Name, addr: m.Address, want: want, mask: make([]byte, len(want))}
	for i := range c.mask {
		c.mask[i] = 0xff
	}
	for i := range a.Refs {
		l.expectRef(&c, a, &a.Refs[i], m)
	}
	for _, s := range l.sites.In(m.Address, m.Address+m.Size) {
		for at := max(s.Addr, m.Address); at < min(s.Addr+s.Size, m.Address+m.Size); at++ {
			c.mask[at-m.Address] = 0
		}
	}
	f.Size += m.Size
	for _, x := range c.mask {
		if x == 0 {
			f.Masked++
		}
	}
	l.rows = append(l.rows, c)
}

// expectRef looks at one reference of the function: does its field change when
// the image is moved?
func (l *linker) expectRef(c *check, a *elfdiff.Atom, r *elfdiff.Ref, m *reloc.FuncResult) {
	size, ok := relocations[r.Type]
	off := m.RunOffset(r.Offset)
	if r.Implicit || size == 0 || !ok || off+size > uint64(len(c.want)) {
		return
	}
	h, ok := amd64.HowtoOf(r.Type)
	if !ok {
		return
	}
	field := c.want[off : off+size]
	s, err := h.Solve(field, r.Addend, m.Address+off)
	if err != nil {
		l.refused.add(refuse(splice.CodeNotMatched, a.Name, "", m.Address+off, "its reference can't be solved: %v", err))
		return
	}
	switch {
	case h.PCRel && l.image.IsPerCPU(s):
		clear(c.mask[off : off+size])
	case !h.PCRel && l.image.IsMapped(s):
		c.abs = append(c.abs, moved{off, elf.R_X86_64(r.Type), s + uint64(r.Addend)})
		clear(field) // the loader wants it to be zero
	}
}

// checkSize is the size of a row of the table that init goes over: where to
// look, what to find, the mask, how many bytes, and the name for the log.
const checkSize = 40

// checks writes the table: first the identity of the kernel, then the
// functions, and a row of zeros.
func (b *builder) checks() {
	id := check{name: "the build-id of the kernel", addr: b.idAddr, want: b.id, mask: make([]byte, len(b.id))}
	for i := range id.mask {
		id.mask[i] = 0xff
	}
	r := b.rodata()
	rows := append([]check{id}, b.rows...)
	table := r.append(8, make([]byte, checkSize*(len(rows)+1)))
	b.table = table
	b.define("checks", elf.STT_OBJECT, r, table, uint64(checkSize*(len(rows)+1)))
	for i := range rows {
		c := &rows[i]
		at := table + uint64(i*checkSize)
		where, err := b.at(c.name, c.addr)
		if err != nil {
			b.refused.add(err)
			continue
		}
		want := r.append(16, c.want)
		mask := r.append(16, c.mask)
		for _, m := range c.abs {
			t, err := b.at(fmt.Sprintf("%s+%#x", c.name, m.off), m.addr)
			if err != nil {
				b.refused.add(err)
			}
			r.rela(want+m.off, m.typ, t.symbol, t.addend)
		}
		_, name := b.string(c.name)
		r.rela(at, elf.R_X86_64_64, where.symbol, where.addend)
		r.rela(at+8, elf.R_X86_64_64, r.anchor, int64(want))
		r.rela(at+16, elf.R_X86_64_64, r.anchor, int64(mask))
		put64(r.data[at+24:], uint64(len(c.want)))
		r.rela(at+32, elf.R_X86_64_64, r.anchor, int64(name))
	}
}

// define adds a local symbol.
func (b *builder) define(name string, typ elf.SymType, s *section, off, size uint64) elfobj.SymbolIndex {
	return b.out.AddSymbol(elfobj.Symbol{Name: b.opt.Name + "_" + name, Value: off, Size: size, Info: elf.ST_INFO(elf.STB_LOCAL, typ), Section: s.index})
}
