package object

import (
	"cmp"
	"debug/elf"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
)

// relas are the relocations of one section on their way to becoming Refs, by
// offset. Until a relocation is resolved, its Offset is from the start of the
// section, and the TargetOff of an implicit one is the place that it means, in
// the same section.
type relas struct {
	refs  []Ref
	notes []note // of each
}

// note is what the instruction around a field tells: in the low bits the
// distance from the field to the end of the instruction, when PC-relative.
type note uint8

const (
	noteDist   note = 0x0f
	noteGuess  note = 0x10 // the distance is a guess: the code before it does not decode
	noteAccess note = 0x20 // the instruction reads or writes what stands there
)

func (n note) dist() int64 { return int64(n & noteDist) }

const (
	relNone = uint32(elf.R_X86_64_NONE)
	relPC8  = uint32(elf.R_X86_64_PC8)
)

// readRelas reads the relocations of all sections that matter, by offset.
// R_X86_64_NONE owns no field and is dropped: objtool leaves it where it
// turned a jump into a nop.
func (c *cutter) readRelas() error {
	var tables []elfobj.RelaTable
	first := make([]int32, 0, len(c.kinds)+1) // of the tables of each section
	total := 0
	for i := range c.kinds {
		first = append(first, int32(len(tables)))
		if c.kinds[i] == Meta {
			continue
		}
		var err error
		if tables, err = c.obj.File.AppendRelaTables(tables, elfobj.SectionIndex(i)); err != nil {
			return err
		}
		for _, t := range tables[first[i]:] {
			total += t.Len()
		}
	}
	first = append(first, int32(len(tables)))
	c.relocs = relas{make([]Ref, 0, total), make([]note, total)}
	for i := range c.kinds {
		if of := tables[first[i]:first[i+1]]; len(of) > 0 {
			c.relocAt[i] = c.relocs.take(of)
		}
	}
	return nil
}

// relasOf returns the relocations of a section.
func (c *cutter) relasOf(s elfobj.SectionIndex) relas {
	at := c.relocAt[s]
	return relas{c.relocs.refs[at.lo:at.hi:at.hi], c.relocs.notes[at.lo:at.hi:at.hi]}
}

// take appends the relocations of one section.
func (all *relas) take(tables []elfobj.RelaTable) span {
	lo := len(all.refs)
	sorted, last := true, uint64(0)
	for _, t := range tables {
		for k := range t.Len() {
			r := t.At(k)
			if r.Type == relNone {
				continue
			}
			sorted, last = sorted && r.Offset >= last, r.Offset
			all.refs = append(all.refs, Ref{Offset: r.Offset, Type: r.Type, Sym: r.Sym, Addend: r.Addend, Target: NoAtom})
		}
	}
	hi := len(all.refs)
	if !sorted {
		slices.SortStableFunc(all.refs[lo:], func(a, b Ref) int { return cmp.Compare(a.Offset, b.Offset) })
	}
	return span{int32(lo), int32(hi)}
}

// within returns the relocations of section s whose fields start in [lo, hi).
func (c *cutter) within(s elfobj.SectionIndex, lo, hi uint64) relas {
	return c.relasOf(s).within(lo, hi)
}

func (l relas) within(lo, hi uint64) relas {
	i, j := l.at(lo), l.at(hi)
	return relas{l.refs[i:j], l.notes[i:j]}
}

// any reports whether there is one whose field starts in [lo, hi).
func (l relas) any(lo, hi uint64) bool {
	i := l.at(lo)
	return i < len(l.refs) && l.refs[i].Offset < hi
}

// at returns the index of the first relocation at or behind off.
func (l relas) at(off uint64) int {
	n := len(l.refs)
	if n == 0 || off <= l.refs[0].Offset {
		return 0
	}
	if off > l.refs[n-1].Offset {
		return n
	}
	i, _ := slices.BinarySearchFunc(l.refs, off, func(r Ref, off uint64) int { return cmp.Compare(r.Offset, off) })
	return i
}

// insert adds implicit references to those of a section, behind relocations at
// the same offset.
func (c *cutter) insert(s elfobj.SectionIndex, b relas) {
	a := c.relasOf(s)
	all := &c.relocs
	lo := len(all.refs)
	all.notes = all.notes[:lo] // there is a note for each that was dropped, too
	for len(a.refs) > 0 || len(b.refs) > 0 {
		from := &a
		if len(a.refs) == 0 || len(b.refs) > 0 && b.refs[0].Offset < a.refs[0].Offset {
			from = &b
		}
		all.refs, all.notes = append(all.refs, from.refs[0]), append(all.notes, from.notes[0])
		from.refs, from.notes = from.refs[1:], from.notes[1:]
	}
	c.relocAt[s] = span{int32(lo), int32(len(all.refs))}
}

// place returns the section and offset that a relocation of section from means.
// ok is false when its symbol is not defined in a section.
func (c *cutter) place(r *Ref, n note, from elfobj.SectionIndex) (sec elfobj.SectionIndex, off int64, ok bool) {
	if r.Implicit {
		return from, r.TargetOff, true
	}
	s := c.obj.Symbol(r.Sym)
	if s.Section == elfobj.SecUndef || s.Section.IsReserved() {
		return 0, r.Addend + n.dist(), false
	}
	return s.Section, int64(s.Value) + r.Addend + n.dist(), true
}
