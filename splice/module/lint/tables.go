package lint

import (
	"cmp"
	"debug/elf"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// isTable reports whether a section is a table about code that is looked at entry by entry.
func isTable(name string) bool {
	row := kerneltab.Named(name)
	return row != nil && row.Usual() != nil && row.Usual().Has(kerneltab.At) && row.Usual().Fields[kerneltab.At].Ref != kerneltab.NoRef
}

// stands says what has to be at the place that an entry of a table is about: the first bytes of
// one of these instructions. A table that is not here may be about any.
var stands = map[string]struct {
	what string
	is   func(b []byte) bool
}{
	kerneltab.McountLoc:       {"no call of the function tracer", func(b []byte) bool { return b[0] == 0xe8 || b[0] == 0x0f || b[0] == 0xff }},
	kerneltab.ReturnSites:     {"no jump to the return thunk", isJump},
	kerneltab.RetpolineSites:  {"no branch to a thunk", isBranch},
	kerneltab.CallSites:       {"no call", func(b []byte) bool { return b[0] == 0xe8 }},
	kerneltab.SMPLocks:        {"no lock prefix", func(b []byte) bool { return b[0] == 0xf0 || b[0] == 0x66 }}, // the assembler may write that in front
	kerneltab.BugTable:        {"no instruction that traps", func(b []byte) bool { return b[0] == 0x0f || b[0] == 0x67 || b[0] == 0xcc }},
	kerneltab.StaticCallSites: {"no call", func(b []byte) bool { return b[0] == 0xe8 || isJump(b) }},
	kerneltab.JumpTable: {"no jump, nor room for one", func(b []byte) bool {
		return b[0] == 0xe9 || b[0] == 0xeb || b[0] == 0x0f || b[0] == 0x66 || b[0] == 0x90
	}},
}

// isBranch reports whether a direct branch begins, with whatever prefixes.
func isBranch(b []byte) bool {
	in, err := amd64.Decode(b)
	return err == nil && in.IsBranch()
}

// isJump reports whether a jump of four bytes begins: jmp or jcc.
func isJump(b []byte) bool {
	return b[0] == 0xe9 || len(b) > 1 && b[0] == 0x0f && b[1]&0xf0 == 0x80
}

// tables looks at the tables about code.
func (c *checker) tables() bool {
	for _, s := range c.obj.Sections {
		if !isLoaded(s) || !isTable(s.Name) || s.Size == 0 {
			continue
		}
		if b, err := s.Data(); err != nil || uint64(len(b)) != s.Size {
			c.wrong(CodeTable, s.Name, 0, "", "it has no content")
			continue
		}
		l := c.layout(s)
		if l == nil {
			c.wrong(CodeTable, s.Name, 0, "", "its %d bytes are no whole entries of this table, or its relocations are not where these have some", s.Size)
			continue
		}
		n, _ := l.Count(s.Size)
		for i := range n {
			c.entry(s, l, i*l.Size)
		}
		c.out.Entries += int(n)
		c.rows(s, l, n)
	}
	return true
}

// layout returns the form of a table: that of which all relocations are where its entries have
// addresses. Of two that fit, the kernel's own structure tells.
func (c *checker) layout(s *elfobj.Section) *kerneltab.Layout {
	row := kerneltab.Named(s.Name)
	for i := range row.Layouts {
		l := &row.Layouts[i]
		if _, whole := l.Count(s.Size); l.Size == 0 || !whole {
			continue
		}
		if c.kernel != nil && l.Struct != "" {
			if own, ok := c.kernel.layout[l.Struct]; ok && own.Size != l.Size {
				continue
			}
		}
		if c.fits(s, l) {
			return l
		}
	}
	return nil
}

// fits reports whether relocations are where entries have addresses.
func (c *checker) fits(s *elfobj.Section, l *kerneltab.Layout) bool {
	for i := range c.relas[s.Index] {
		r := &c.relas[s.Index][i]
		if r.size > 0 && fieldAt(l, r.Offset%l.Size) == nil {
			return false
		}
	}
	return true
}

// fieldAt returns the field with an address at an offset in an entry.
func fieldAt(l *kerneltab.Layout, off uint64) *kerneltab.Field {
	for i := range l.Fields {
		if f := &l.Fields[i]; f.Size > 0 && f.Ref != kerneltab.NoRef && f.Offset == off {
			return f
		}
	}
	return nil
}

// types are those of relocations that fill in a field.
var types = map[kerneltab.Ref]map[elf.R_X86_64]bool{
	kerneltab.Relative32: {elf.R_X86_64_PC32: true, elf.R_X86_64_PLT32: true},
	kerneltab.Relative64: {elf.R_X86_64_PC64: true},
	kerneltab.Absolute:   {elf.R_X86_64_64: true},
}

// entry looks at an entry of a table.
func (c *checker) entry(s *elfobj.Section, l *kerneltab.Layout, at uint64) {
	for role := range l.Fields {
		f := &l.Fields[role]
		if f.Size == 0 || f.Ref == kerneltab.NoRef {
			continue
		}
		r, ok := c.relaIn(s.Index, at+f.Offset, 1)
		switch {
		case !ok && optionalFields[kerneltab.Role(role)]:
		case !ok:
			c.wrong(CodeTable, s.Name, at+f.Offset, "", "the entry leads nowhere: a relocation is missing")
		case !types[f.Ref][r.typ()]:
			c.wrong(CodeTable, s.Name, at+f.Offset, c.name(r), "%v is no relocation for this field", r.typ())
		case kerneltab.Role(role) == kerneltab.At || kerneltab.Role(role) == kerneltab.Target || kerneltab.Role(role) == kerneltab.Replacement:
			c.about(s, l, r, kerneltab.Role(role), at)
		default:
			c.reaches(s, r)
		}
	}
}

// optionalFields may be empty: what an alternative is replaced by when that is nothing, and names.
var optionalFields = map[kerneltab.Role]bool{kerneltab.Replacement: true, kerneltab.File: true, kerneltab.Format: true, kerneltab.Namespace: true}

// reaches looks at a field that may lead to any place that is loaded.
func (c *checker) reaches(s *elfobj.Section, r *rela) {
	if to, off, ok := c.place(r); ok && off > to.Size {
		c.wrong(CodeTable, s.Name, r.Offset, c.name(r), "it leads out of %s", to.Name)
	}
}

// about looks at the place in code that an entry is about.
func (c *checker) about(s *elfobj.Section, l *kerneltab.Layout, r *rela, role kerneltab.Role, at uint64) {
	to, off, ok := c.place(r)
	if !ok {
		c.wrong(CodeTable, s.Name, r.Offset, c.name(r), "it does not lead into this module")
		return
	}
	k := c.code[to.Index]
	switch {
	case k == nil:
		c.wrong(CodeTable, s.Name, r.Offset, c.name(r), "it leads to %s, which is no code", to.Name)
	case role == kerneltab.Replacement && c.number(s, l, at, kerneltab.ReplacementLength) == 0:
	case off < to.Size && k.isStart(off):
		c.fitting(s, l, r, role, at, k, off)
	case l.Rows != "" && off <= to.Size && (!k.within(off) || c.replaced(to.Index, off)):
		// ORC also says where code ends, and has rows for what may replace an instruction.
	case off < to.Size && k.isNameless(off) && (stands[s.Name].is == nil || stands[s.Name].is(k.data[off:])):
		// It is in a weak function that another one has replaced: the linker leaves its code, without a symbol.
	case s.Name == kerneltab.SMPLocks && off < to.Size && k.within(off) && k.data[off] == 0xf0:
		// It is not the first prefix.
	default:
		c.wrong(CodeTable, s.Name, r.Offset, c.name(r), "it leads to %s+%#x, where no instruction begins", to.Name, off)
	}
}

// replaced reports whether alternatives may replace what is at a place.
func (c *checker) replaced(section elfobj.SectionIndex, off uint64) bool {
	if c.alternatives == nil {
		c.alternatives = map[elfobj.SectionIndex][]span{}
		for s := range c.obj.SectionsNamed(kerneltab.AltInstructions) {
			c.findAlternatives(s)
		}
	}
	list := c.alternatives[section]
	i, _ := slices.BinarySearchFunc(list, off, func(x span, at uint64) int { return cmp.Compare(x.start, at+1) })
	return i > 0 && off < list[i-1].end
}

// A span is a part of a section.
type span struct{ start, end uint64 }

func (c *checker) findAlternatives(s *elfobj.Section) {
	l := c.layout(s)
	for i := range c.relas[s.Index] {
		r := &c.relas[s.Index][i]
		if l == nil || r.Offset%l.Size != l.Fields[kerneltab.At].Offset {
			continue
		}
		if to, off, ok := c.place(r); ok {
			n := c.number(s, l, r.Offset-r.Offset%l.Size, kerneltab.Length)
			c.alternatives[to.Index] = append(c.alternatives[to.Index], span{off, off + n})
		}
	}
	for _, list := range c.alternatives {
		slices.SortFunc(list, func(a, b span) int { return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.end, b.end)) })
	}
}

// isNameless reports whether a byte is in code of which nothing tells where instructions begin.
func (k *code) isNameless(off uint64) bool {
	_, _, ok := k.containing(off)
	return !ok
}

// within reports whether a byte is in an instruction, and not its first one.
func (k *code) within(off uint64) bool {
	at, _, ok := k.containing(off)
	return ok && at != off
}

// fitting looks at the instruction that an entry is about, and at how long it is.
func (c *checker) fitting(s *elfobj.Section, l *kerneltab.Layout, r *rela, role kerneltab.Role, at uint64, k *code, off uint64) {
	if x, ok := stands[s.Name]; ok && role == kerneltab.At && !x.is(k.data[off:]) {
		c.wrong(CodeTable, s.Name, r.Offset, c.name(r), "%s is at %#x", x.what, off)
	}
	length := kerneltab.Length
	if role == kerneltab.Replacement {
		length = kerneltab.ReplacementLength
	}
	if role == kerneltab.Target || !l.Has(length) {
		return
	}
	n := c.number(s, l, at, length)
	switch end := off + n; {
	case end > uint64(len(k.data)):
		c.wrong(CodeTable, s.Name, at, c.name(r), "the %d bytes at %#x reach over the end of the code", n, off)
	case end < uint64(len(k.data)) && k.within(end):
		c.wrong(CodeTable, s.Name, at, c.name(r), "the %d bytes at %#x end in the middle of an instruction", n, off)
	}
	if more := c.number(s, l, at, kerneltab.ReplacementLength); role == kerneltab.At && more > n {
		c.wrong(CodeTable, s.Name, at, c.name(r), "%d bytes would replace %d", more, n)
	}
}

// number reads a field of an entry.
func (c *checker) number(s *elfobj.Section, l *kerneltab.Layout, at uint64, role kerneltab.Role) (n uint64) {
	f := &l.Fields[role]
	b, err := s.Data()
	if err != nil || f.Size == 0 || at+f.End() > uint64(len(b)) {
		return 0
	}
	for i := range f.Size {
		n |= uint64(b[at+f.Offset+i]) << (8 * i)
	}
	return n & f.Bits()
}

// rows compares a table with the one that has a row for each of its entries.
func (c *checker) rows(s *elfobj.Section, l *kerneltab.Layout, n uint64) {
	if l.Rows == "" {
		return
	}
	for rows := range c.obj.SectionsNamed(l.Rows) {
		if size := kerneltab.Named(l.Rows).Entry(); rows.Size != n*size {
			c.wrong(CodeTable, rows.Name, 0, "", "it has %d bytes for %d entries of %s", rows.Size, n, s.Name)
		}
		return
	}
	c.wrong(CodeTable, s.Name, 0, "", "there is no %s for it", l.Rows)
}
