package elfdiff

import (
	"cmp"
	"debug/elf"
	"slices"

	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/elfobj"
)

// rela is a relocation on its way to becoming a Ref.
type rela struct {
	off      uint64 // from the start of the section
	typ      uint32
	sym      elfobj.SymbolIndex
	addend   int64
	dist     int64 // from the field to the end of its instruction, when PC-relative
	sec      elfobj.SectionIndex
	place    uint64 // in sec, for implicit ones
	implicit bool
	guess    bool // dist is a guess: the code before it does not decode
	access   bool // the instruction reads or writes what stands there
}

const (
	relNone = uint32(elf.R_X86_64_NONE)
	relPC32 = uint32(elf.R_X86_64_PC32)
	relPC8  = uint32(elf.R_X86_64_PC8)
)

// opLea is the opcode of lea, which takes an address without looking at what
// stands there.
const opLea = 0x8d

// readRelas reads the relocations of all sections that matter, by offset.
// R_X86_64_NONE owns no field and is dropped: objtool leaves it where it
// turned a jump into a nop.
func (c *cutter) readRelas() error {
	for i := range c.kinds {
		if c.kinds[i] == Meta {
			continue
		}
		list, err := c.obj.File.Relas(elfobj.SectionIndex(i))
		if err != nil {
			return err
		}
		if len(list) == 0 {
			continue
		}
		out := make([]rela, 0, len(list))
		for _, r := range list {
			if r.Type != relNone {
				out = append(out, rela{off: r.Offset, typ: r.Type, sym: r.Sym, addend: r.Addend})
			}
		}
		byOffset := func(a, b rela) int { return cmp.Compare(a.off, b.off) }
		if !slices.IsSortedFunc(out, byOffset) {
			slices.SortStableFunc(out, byOffset)
		}
		c.relas[i] = out
	}
	return nil
}

// within returns the relocations of section s whose fields start in [lo, hi).
func (c *cutter) within(s elfobj.SectionIndex, lo, hi uint64) []rela {
	list := c.relas[s]
	at := func(off uint64) int {
		i, _ := slices.BinarySearchFunc(list, off, func(r rela, off uint64) int { return cmp.Compare(r.off, off) })
		return i
	}
	return list[at(lo):at(hi)]
}

// measure finds the distance from each PC-relative field to the end of its
// instruction, and the references that have no relocation: branches from one
// function to another in the same section.
func (c *cutter) measure() {
	for i, s := range c.obj.File.Sections {
		if c.kinds[i] == Meta || s.Flags&elf.SHF_EXECINSTR == 0 {
			continue
		}
		if c.kinds[i] == Const {
			c.measureAside(s)
			continue
		}
		var implicit []rela
		parts := c.parts[i]
		for j := range parts {
			a := &parts[j]
			if a.NoBits {
				continue
			}
			list := c.within(s.Index, a.Offset, a.End())
			if len(parts) > 1 {
				implicit = append(implicit, decodeRefs(a, list)...)
			} else if !quickDistances(a, list) {
				decodeRefs(a, list)
			}
		}
		if len(implicit) > 0 {
			c.relas[i] = append(c.relas[i], implicit...)
			slices.SortStableFunc(c.relas[i], func(a, b rela) int { return cmp.Compare(a.off, b.off) })
		}
	}
}

// measureAside is measure for code that is cut later, at the places that are
// meant: pieces like those of .altinstr_aux, which jump back to where they came
// from (arch/x86/include/asm/cpufeature.h of Linux 6.1).
func (c *cutter) measureAside(s *elfobj.Section) {
	data, _ := s.Data() // cutSections has read it
	if uint64(len(data)) != s.Size {
		return
	}
	a := piece(s, Const, data, 0, s.Size)
	decodeRefs(&a, c.within(s.Index, 0, s.Size))
}

// quickDistances sets the distances without decoding, from the bytes before
// the field, and reports whether it could do so for all. The byte before a
// RIP-relative field is a ModRM byte with mod 0 and rm 5, which no opcode of a
// direct branch looks like; mov (8b, 89) and lea (8d) have no immediate in any
// opcode map.
func quickDistances(a *Atom, list []rela) bool {
	for i := range list {
		r := &list[i]
		if h, ok := amd64.HowtoOf(r.typ); !ok || !h.PCRel || h.Size != 4 {
			if ok && h.PCRel {
				return false
			}
			continue
		}
		f := r.off - a.Offset
		if f < 2 || f > uint64(len(a.Bytes)) {
			return false
		}
		op, last := a.Bytes[f-2], a.Bytes[f-1]
		branch := last == 0xe8 || last == 0xe9 || op == 0x0f && last&0xf0 == 0x80
		plain := last&0xc7 == 0x05 && (op == 0x8b || op == 0x89 || op == opLea)
		if !branch && !plain {
			return false
		}
		r.dist, r.access = 4, plain && op != opLea
	}
	return true
}

// decodeRefs walks the instructions of a. It sets the distances in list, and
// returns the references that leave the atom without a relocation. When an
// instruction does not decode, the rest is marked as a guess.
func decodeRefs(a *Atom, list []rela) []rela {
	var implicit []rela
	next := 0
	for off := uint64(0); off < uint64(len(a.Bytes)); {
		in, err := amd64.Decode(a.Bytes[off:])
		if err != nil {
			a.Opaque = true
			break
		}
		field, end := a.Offset+off+uint64(in.PCRelOff), off+uint64(in.Len)
		owned := false
		for ; next < len(list) && list[next].off < a.Offset+end; next++ {
			if r := &list[next]; in.PCRelLen > 0 && r.off == field {
				r.dist, owned = int64(a.Offset+end-field), true
				r.access = in.IsRIPRelative() && a.Bytes[off+uint64(in.OpOff)] != opLea
			}
		}
		if in.PCRelLen > 0 && !owned {
			if r, ok := leaves(a, in, off); ok {
				implicit = append(implicit, r)
			}
		}
		off = end
	}
	for ; next < len(list); next++ {
		if h, ok := amd64.HowtoOf(list[next].typ); ok && h.PCRel {
			list[next].dist, list[next].guess = 4, true
		}
	}
	return implicit
}

// leaves returns the reference that the instruction at off makes to a place
// outside the atom.
func leaves(a *Atom, in amd64.Inst, off uint64) (rela, bool) {
	to, ok := pcrelTarget(in, a.Bytes[off:], a.Offset+off)
	if !ok || to >= a.Offset && to < a.End() {
		return rela{}, false
	}
	r := rela{off: a.Offset + off + uint64(in.PCRelOff), typ: relPC32, implicit: true, sec: a.Section, place: to}
	if in.PCRelLen == 1 {
		r.typ = relPC8
	}
	r.dist = int64(in.Len) - int64(in.PCRelOff)
	r.addend = -r.dist
	return r, true
}

// place returns the section and offset that r means. ok is false when its
// symbol is not defined in a section.
func (c *cutter) place(r *rela) (sec elfobj.SectionIndex, off int64, ok bool) {
	if r.implicit {
		return r.sec, int64(r.place), true
	}
	s := c.obj.Symbol(r.sym)
	if s.Section == elfobj.SecUndef || s.Section.IsReserved() {
		return 0, r.addend + r.dist, false
	}
	return s.Section, int64(s.Value) + r.addend + r.dist, true
}

// mark notes the places in data that are meant through section symbols, where
// anonymous data has to be cut.
func (c *cutter) mark() {
	for i := range c.relas {
		for j := range c.relas[i] {
			r := &c.relas[i][j]
			sec, off, ok := c.place(r)
			if !ok || off < 0 || int(sec) >= len(c.kinds) {
				continue
			}
			s := c.obj.Symbol(r.sym)
			switch {
			case c.kinds[sec].IsLiteral():
				c.marks[sec] = append(c.marks[sec], uint64(off))
				if v := int64(s.Value); v < off { // the object that is meant may start before
					c.marks[sec] = append(c.marks[sec], uint64(max(v, 0)))
				}
			case cutAtMarks(c.kinds[sec]) && (s.Type() == elf.STT_SECTION || isLocalLabel(s.Name)):
				c.marks[sec] = append(c.marks[sec], uint64(off))
			}
		}
	}
}

func cutAtMarks(k Kind) bool { return k == Data || k == Const || k == TLS || k == LSDA }

// cutMarks does pass 4: it fills the stretches between the named atoms of data
// sections with anonymous atoms.
func (c *cutter) cutMarks() {
	for i, s := range c.obj.File.Sections {
		if !cutAtMarks(c.kinds[i]) && !c.kinds[i].IsLiteral() {
			continue
		}
		data, _ := s.Data() // cutSections has read it
		marks := c.marks[i]
		slices.Sort(marks)
		marks = slices.Compact(marks)
		switch c.kinds[i] {
		case String:
			c.parts[i] = cutStrings(s, data, marks)
			continue
		case Merge:
			c.parts[i] = cutEntries(s, data, marks)
			continue
		}
		var out []Atom
		end := uint64(0)
		for _, a := range c.parts[i] {
			out = c.fill(out, s, data, marks, end, a.Offset)
			out = append(out, a)
			end = a.End()
		}
		out = c.fill(out, s, data, marks, end, s.Size)
		if s.Size == 0 {
			continue // a hollow atom
		}
		if len(out) == 0 {
			out = append(out, piece(s, c.kinds[i], data, 0, s.Size))
		}
		c.parts[i] = out
	}
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
	if len(c.within(s.Index, lo, hi)) > 0 {
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

// pcrelTarget returns what the PC-relative field of an instruction at pc leads
// to: the target of a branch or the address of an operand.
func pcrelTarget(in amd64.Inst, b []byte, pc uint64) (uint64, bool) {
	if in.IsBranch() {
		return in.Target(b, pc)
	}
	return in.Operand(b, pc)
}
