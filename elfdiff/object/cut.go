package object

import (
	"cmp"
	"debug/elf"
	"encoding/binary"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/symname"
)

// cutter turns a file into atoms. It works in passes over whole sections, so
// that its cost is linear in the size of the object:
//
//  1. classify the sections, sort the symbols by section, and read the
//     relocations
//  2. cut what can be cut alone: code and data at their symbols, unwinding
//     tables at their records
//  3. find the place that each relocation means
//  4. cut what is left at the places that are meant: anonymous data, strings,
//     entries of mergeable sections
//  5. give every relocation to its atom, and resolve its target
type cutter struct {
	obj   *Object
	kinds []Kind      // of each section
	cut   []Atom      // what pass 2 made, by section and offset
	parts []AtomRange // of each section, in cut

	symbols  []elfobj.SymbolIndex // by section, then by value, then larger first
	symbolAt []span               // of each section
	relocs   relas                // of all sections
	relocAt  []span               // of each section, by offset
	marks    []uint64             // places that are meant in data
	markAt   []span               // of each section, by offset

	named     []Atom            // of one section; the memory is used again
	functions map[string]AtomID // by name, NoAtom for several; made when needed
}

func newCutter(o *Object) *cutter {
	n := len(o.File.Sections)
	return &cutter{
		obj:      o,
		kinds:    make([]Kind, n),
		parts:    make([]AtomRange, n),
		symbolAt: make([]span, n),
		relocAt:  make([]span, n),
		markAt:   make([]span, n),
	}
}

// span is a half-open range of a list.
type span struct{ lo, hi int32 }

// symbolsOf returns the symbols of a section, by value, then larger first.
func (c *cutter) symbolsOf(s elfobj.SectionIndex) []elfobj.SymbolIndex {
	at := c.symbolAt[s]
	return c.symbols[at.lo:at.hi:at.hi]
}

// classify finds out what each section holds, and what symbols it has.
func (c *cutter) classify() {
	for i, s := range c.obj.File.Sections {
		c.kinds[i] = kindOfSection(s)
	}
	syms := c.obj.symbols
	for i := range syms {
		if s := &syms[i]; c.matters(s) {
			c.symbolAt[s.Section].hi++
		}
	}
	c.symbols = make([]elfobj.SymbolIndex, layOut(c.symbolAt))
	for i := range syms {
		if s := &syms[i]; c.matters(s) {
			at := &c.symbolAt[s.Section]
			c.symbols[at.hi] = elfobj.SymbolIndex(i)
			at.hi++
		}
	}
	order := func(a, b elfobj.SymbolIndex) int {
		return cmp.Or(cmp.Compare(syms[a].Value, syms[b].Value), cmp.Compare(syms[b].Size, syms[a].Size))
	}
	for i := range c.symbolAt {
		if list := c.symbolsOf(elfobj.SectionIndex(i)); len(list) > 1 {
			slices.SortStableFunc(list, order)
		}
	}
}

// layOut gives each section room for as many things as its span has counted in
// hi, one section behind the other. The spans are empty then, to be filled. It
// returns how many there are.
func layOut(spans []span) int {
	n := int32(0)
	for i := range spans {
		count := spans[i].hi
		spans[i] = span{n, n}
		n += count
	}
	return int(n)
}

// matters reports whether the symbol names a place in a section that is cut.
func (c *cutter) matters(s *elfobj.Symbol) bool {
	return elfobj.IsLabel(s) && int(s.Section) < len(c.kinds) && c.kinds[s.Section] != Meta
}

// cutSections does pass 2. What references help to cut is left for pass 4.
func (c *cutter) cutSections() error {
	n := 0
	for _, kind := range c.kinds {
		if kind != Meta && !cutAtMarks(kind) && !kind.IsLiteral() {
			n++
		}
	}
	c.cut = make([]Atom, 0, n)
	for i, s := range c.obj.File.Sections {
		kind := c.kinds[i]
		if kind == Meta {
			continue
		}
		data, err := s.Data()
		if err != nil {
			return err
		}
		lo := AtomID(len(c.cut))
		switch {
		case cutAtMarks(kind) || kind.IsLiteral():
		case s.Size == 0:
			if kind != Func || len(c.symbolsOf(s.Index)) > 0 {
				c.cut = append(c.cut, c.hollow(s))
			}
		case kind == Unwind:
			c.cut = cutRecords(c.cut, s, data)
		case kind == Special:
			c.cut = append(c.cut, piece(s, Special, data, 0, s.Size))
		default:
			c.cut = c.cutSymbols(c.cut, s, kind, data)
		}
		c.parts[i] = AtomRange{lo, AtomID(len(c.cut))}
	}
	return nil
}

// hollow makes the atom of a section without content. Its variables are of a
// type without members, and have no state: only a name that others can refer
// to gives it an identity, else one is as good as another.
func (c *cutter) hollow(s *elfobj.Section) Atom {
	a := piece(s, c.kinds[s.Index], nil, 0, 0)
	a.Symbols = c.symbolsOf(s.Index)
	if !cutAtMarks(a.Kind) {
		return a
	}
	for _, i := range a.Symbols {
		if c.obj.Symbol(i).Bind() != elf.STB_LOCAL {
			a.Name = c.bestName(a.Symbols, 0)
			return a
		}
	}
	a.Kind, a.NoBits = Const, true
	return a
}

// piece makes the atom [off, end) of section s.
func piece(s *elfobj.Section, k Kind, data []byte, off, end uint64) Atom {
	a := Atom{Kind: k, Section: s.Index, Offset: off, Size: end - off, Owner: NoAtom}
	if s.Type == elf.SHT_NOBITS {
		a.NoBits = true
	} else {
		a.Bytes = data[off:end:end]
	}
	return a
}

// cutStrings appends atoms of the strings in which one of the marks lies. What
// nothing refers to needs none, so that their number is bounded by that of the
// relocations.
func cutStrings(parts []Atom, s *elfobj.Section, data []byte, marks []uint64) []Atom {
	for off := uint64(0); off < uint64(len(data)) && len(marks) > 0; {
		end := elfobj.StringEnd(data, off, s.Entsize)
		if marks[0] < end {
			parts = append(parts, piece(s, String, data, off, end))
		}
		for len(marks) > 0 && marks[0] < end {
			marks = marks[1:]
		}
		off = end
	}
	return parts
}

// cutEntries appends atoms of the entries in which one of the marks lies.
func cutEntries(parts []Atom, s *elfobj.Section, data []byte, marks []uint64) []Atom {
	n := uint64(len(data))
	for next := uint64(0); len(marks) > 0; marks = marks[1:] {
		off := marks[0] / s.Entsize * s.Entsize
		if off >= n || off < next {
			continue
		}
		next = off + min(s.Entsize, n-off)
		parts = append(parts, piece(s, Merge, data, off, next))
	}
	return parts
}

// cutRecords cuts .eh_frame at its records: a 4-byte length, then as many
// bytes (LSB Core 5.0, section 10.6.1). A terminator or a record that runs out
// of the section ends the table, and what remains is one atom.
func cutRecords(parts []Atom, s *elfobj.Section, data []byte) []Atom {
	n := uint64(len(data))
	for off := uint64(0); off < n; {
		end := n
		if n-off >= 4 {
			if size := uint64(binary.LittleEndian.Uint32(data[off:])); size >= 4 && size < 0xfffffff0 && size+4 <= n-off {
				end = off + 4 + size
			}
		}
		parts = append(parts, piece(s, Unwind, data, off, end))
		off = end
	}
	return parts
}

// cutSymbols cuts code and data at their symbols. Aliases and symbols inside
// another's extent share its atom; a symbol without a size reaches to the next
// one. Code between the symbols that is not padding becomes an anonymous atom
// here, data between them in cutData.
func (c *cutter) cutSymbols(parts []Atom, s *elfobj.Section, kind Kind, data []byte) []Atom {
	list := c.symbolsOf(s.Index)
	end := uint64(0)
	for i := 0; i < len(list); {
		sym := c.obj.Symbol(list[i])
		if sym.Value >= s.Size {
			break // an end label
		}
		start, stop := sym.Value, c.extent(s, list, i)
		if kind == Func && start > end {
			parts = c.appendFront(parts, s, data, end, start)
		}
		j := i
		for ; j < len(list); j++ {
			inner := c.obj.Symbol(list[j])
			if inner.Value >= stop {
				break
			}
			if inner.Size > 0 && inner.Size <= s.Size-inner.Value {
				stop = max(stop, inner.Value+inner.Size)
			}
		}
		a := piece(s, kind, data, start, stop)
		a.Symbols = list[i:j:j]
		a.Name = c.bestName(a.Symbols, start)
		if kind == Func && c.isObject(a.Symbols) {
			a.Kind = Const
		}
		parts = append(parts, a)
		i, end = j, stop
	}
	if kind == Func && end < s.Size {
		parts = c.appendGap(parts, s, data, end, s.Size)
	}
	return parts
}

// extent returns where the symbol list[i] ends. Sizes that run out of the
// section are cut there.
func (c *cutter) extent(s *elfobj.Section, list []elfobj.SymbolIndex, i int) uint64 {
	sym := c.obj.Symbol(list[i])
	if sym.Size > 0 {
		return sym.Value + min(sym.Size, s.Size-sym.Value)
	}
	for _, next := range list[i+1:] {
		if v := c.obj.Symbol(next).Value; v > sym.Value {
			return min(v, s.Size)
		}
	}
	return s.Size
}

// appendGap adds the code [off, end) that no symbol covers, unless it is
// padding.
func (c *cutter) appendGap(parts []Atom, s *elfobj.Section, data []byte, off, end uint64) []Atom {
	if s.Type == elf.SHT_NOBITS || amd64.IsPadding(data[off:end]) && !c.relasOf(s.Index).any(off, end) {
		return parts
	}
	return append(parts, piece(s, Func, data, off, end))
}

// bestName picks the name of an atom: of the symbols at its start a global
// one, else one with a type, else a sized one, else any; of several the first by
// name. A weak one comes behind all that are as good, since another definition may
// have replaced it.
func (c *cutter) bestName(list []elfobj.SymbolIndex, start uint64) string {
	best, name := -1, ""
	for _, i := range list {
		s := c.obj.Symbol(i)
		if s.Value != start {
			break
		}
		if symname.IsLocalLabel(s.Name) {
			continue
		}
		rank := 0
		switch s.Bind() {
		case elf.STB_WEAK:
		case elf.STB_LOCAL:
			rank++
		default:
			rank += 8
		}
		if t := s.Type(); t == elf.STT_FUNC || t == elf.STT_OBJECT || t == elf.STT_TLS || t == elf.STT_GNU_IFUNC {
			rank += 4
		}
		if s.Size > 0 {
			rank += 2
		}
		if rank > best || rank == best && s.Name < name { // not by their order, which is the assembler's
			best, name = rank, s.Name
		}
	}
	return name
}
