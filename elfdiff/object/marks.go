package object

import (
	"debug/elf"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
)

// mark notes the places in data that are meant through section symbols, where
// anonymous data has to be cut. A place that a named label means is the label's,
// whatever is added to it: a loop over a string may begin one byte in front of it.
func (c *cutter) mark() {
	c.eachMark(func(sec elfobj.SectionIndex, _ uint64) { c.markAt[sec].hi++ })
	c.marks = make([]uint64, layOut(c.markAt))
	c.eachMark(func(sec elfobj.SectionIndex, off uint64) {
		at := &c.markAt[sec]
		c.marks[at.hi] = off
		at.hi++
	})
	for i := range c.markAt {
		at := &c.markAt[i]
		marks := c.marks[at.lo:at.hi]
		slices.Sort(marks)
		at.hi = at.lo + int32(len(slices.Compact(marks)))
	}
}

// marksOf returns the places that are meant in a section, by offset.
func (c *cutter) marksOf(s elfobj.SectionIndex) []uint64 {
	return c.marks[c.markAt[s].lo:c.markAt[s].hi]
}

// eachMark yields the places, some of them several times.
func (c *cutter) eachMark(yield func(sec elfobj.SectionIndex, off uint64)) {
	for i := range c.relocAt {
		of := c.relasOf(elfobj.SectionIndex(i))
		for j := range of.refs {
			r := &of.refs[j]
			if c.kinds[i].IsLiteral() { // so that something holds the field
				yield(elfobj.SectionIndex(i), r.Offset)
			}
			sec, off, ok := c.place(r, of.notes[j], elfobj.SectionIndex(i))
			if !ok || int(sec) >= len(c.kinds) || off < 0 && c.obj.Symbol(r.Sym).Type() == elf.STT_SECTION {
				continue
			}
			s, section := c.obj.Symbol(r.Sym), c.obj.Symbol(r.Sym).Type() == elf.STT_SECTION
			switch {
			case c.kinds[sec].IsLiteral() && section:
				yield(sec, uint64(off))
			case c.kinds[sec].IsLiteral(): // the symbol's, wherever the addend leads
				yield(sec, s.Value)
			case cutAtMarks(c.kinds[sec]) && section:
				yield(sec, uint64(off))
			}
		}
	}
}

func cutAtMarks(k Kind) bool { return k == Data || k == Const || k == TLS || k == LSDA }

// cutData does pass 4 for one section of data: it appends to out its named
// atoms, and anonymous ones for the stretches between them.
func (c *cutter) cutData(out []Atom, s *elfobj.Section) []Atom {
	data, _ := s.Data() // cutSections has seen it
	kind, marks := c.kinds[s.Index], c.marksOf(s.Index)
	switch {
	case kind == String:
		return cutStrings(out, s, data, marks)
	case kind == Merge:
		return cutEntries(out, s, data, marks)
	case s.Size == 0:
		return append(out, c.hollow(s))
	}
	first, end := len(out), uint64(0)
	c.named = c.cutSymbols(c.named[:0], s, kind, data)
	for i := range c.named {
		out = c.fill(out, s, data, marks, end, c.named[i].Offset)
		out = append(out, c.named[i])
		end = c.named[i].End()
	}
	out = c.fill(out, s, data, marks, end, s.Size)
	if len(out) == first {
		out = append(out, piece(s, kind, data, 0, s.Size))
	}
	return out
}

// fill cuts [lo, hi) at the marks. A stretch that nothing means is padding
// when it is short and zero.
func (c *cutter) fill(out []Atom, s *elfobj.Section, data []byte, marks []uint64, lo, hi uint64) []Atom {
	if lo >= hi {
		return out
	}
	m, _ := slices.BinarySearch(marks, lo)
	for cut := lo; cut < hi; {
		meant := m < len(marks) && marks[m] == cut
		if meant {
			m++
		}
		next := hi
		if m < len(marks) && marks[m] < hi {
			next = marks[m]
		}
		if meant || c.means(s, data, cut, next) {
			out = append(out, piece(s, c.kinds[s.Index], data, cut, next))
		}
		cut = next
	}
	return out
}

// means reports whether the stretch [lo, hi) holds anything.
func (c *cutter) means(s *elfobj.Section, data []byte, lo, hi uint64) bool {
	if c.relasOf(s.Index).any(lo, hi) {
		return true
	}
	if s.Type == elf.SHT_NOBITS {
		return false
	}
	for _, b := range data[lo:hi] {
		if b != 0 {
			return true
		}
	}
	return false
}
