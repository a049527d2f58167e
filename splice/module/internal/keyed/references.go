package keyed

import (
	"cmp"
	"debug/elf"
	"fmt"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/splice/module/internal/ko"
)

// A rewriter works on one object.
type rewriter struct {
	spec  *elfobj.Spec
	marks *Marks
	of    map[elfobj.SectionIndex]elfobj.SectionIndex // by section: its relocations
}

func newRewriter(spec *elfobj.Spec, marks *Marks) *rewriter {
	w := &rewriter{spec: spec, marks: marks, of: map[elfobj.SectionIndex]elfobj.SectionIndex{}}
	for i := range spec.Sections {
		if s := &spec.Sections[i]; s.Type == elf.SHT_RELA && int(s.Info) < len(spec.Sections) {
			w.of[elfobj.SectionIndex(s.Info)] = elfobj.SectionIndex(i)
		}
	}
	return w
}

// relas are the relocations of a section.
func (w *rewriter) relas(sec elfobj.SectionIndex) []elfobj.Rela {
	if i, ok := w.of[sec]; ok {
		return w.spec.Sections[i].Relas
	}
	return nil
}

// sorted are those by their offsets.
func (w *rewriter) sorted(sec elfobj.SectionIndex) []elfobj.Rela {
	return slices.SortedFunc(slices.Values(w.relas(sec)), func(a, b elfobj.Rela) int { return cmp.Compare(a.Offset, b.Offset) })
}

// setRelas replaces them, also where there were none.
func (w *rewriter) setRelas(sec elfobj.SectionIndex, list []elfobj.Rela) {
	i, ok := w.of[sec]
	if !ok {
		i = elfobj.SectionIndex(len(w.spec.Sections))
		w.spec.Sections = append(w.spec.Sections, elfobj.SpecSection{SectionHeader: elfobj.SectionHeader{
			Name: ".rela" + w.spec.Sections[sec].Name, Type: elf.SHT_RELA, Flags: elf.SHF_INFO_LINK,
			Link: uint32(w.spec.Symtab), Info: uint32(sec), Addralign: 8, Entsize: relaSize,
		}})
		w.of[sec] = i
	}
	w.spec.Sections[i].Relas = list
}

const relaSize = 24 // of Elf64_Rela, bytes

// leads is where the field of a relocation leads to, as far as its addend says.
func (w *rewriter) leads(r *elfobj.Rela) Place {
	s := &w.spec.Symbols[r.Sym]
	return Place{s.Section, s.Value + uint64(r.Addend)}
}

// references are what changes beside the code itself.
type references struct {
	relas   map[elfobj.SectionIndex][]elfobj.Rela // by section: those that it will have
	kept    []elfobj.Rela                         // of the code, but for those of its branches
	symbols map[int]elfobj.Symbol
	fields  map[int]uint64 // by number in [Marks]
}

// references finds all that refers to a place in a code, and leads it to where that will be.
func (w *rewriter) references(c *code) (*references, error) {
	out := &references{relas: map[elfobj.SectionIndex][]elfobj.Rela{}, symbols: map[int]elfobj.Symbol{}, fields: map[int]uint64{}}
	for i := range c.list {
		if x := &c.list[i]; x.leads && x.to <= uint64(len(c.bytes)) {
			if _, err := c.moved(x.to); err != nil {
				return nil, err
			}
		}
	}
	if err := w.movedSymbols(c, out); err != nil {
		return nil, err
	}
	for i := range w.spec.Sections {
		sec := elfobj.SectionIndex(i)
		if !ko.Travels(&w.spec.Sections[i]) || len(w.relas(sec)) == 0 {
			continue
		}
		relas, changed, err := w.led(c, sec, out.symbols)
		if err != nil {
			return nil, err
		}
		switch {
		case sec == c.sec:
			out.kept = c.own(relas)
		case changed:
			out.relas[sec] = relas
		}
	}
	for i, p := range w.marks.Fields {
		if p.Section == c.sec {
			out.fields[i] = c.field(p.Offset)
		}
	}
	return out, nil
}

// movedSymbols moves the symbols of a code.
func (w *rewriter) movedSymbols(c *code, out *references) error {
	for i := range w.spec.Symbols {
		s := w.spec.Symbols[i]
		if s.Section != c.sec || s.Type() == elf.STT_SECTION {
			continue
		}
		at, err := c.moved(s.Value)
		if err != nil {
			return err
		}
		end, err := c.moved(s.Value + s.Size)
		if err != nil {
			return err
		}
		s.Value, s.Size = at, end-at
		out.symbols[i] = s
	}
	return nil
}

// led leads the relocations of a section that lead into a code.
func (w *rewriter) led(c *code, sec elfobj.SectionIndex, symbols map[int]elfobj.Symbol) (list []elfobj.Rela, changed bool, err error) {
	s := &w.spec.Sections[sec]
	row := kerneltab.Of(s.Name)
	known := row != nil && len(row.Layouts) > 0
	list = w.sorted(sec)
	ends := func(uint64) (uint64, error) { return 0, nil }
	if s.Flags&elf.SHF_EXECINSTR != 0 {
		ends = endsOf(s)
	}
	for i := range list {
		r := &list[i]
		to := w.leads(r)
		if to.Section != c.sec {
			continue
		}
		// A field of an instruction counts from the instruction's end; one of data from its own
		// place, but only a table that is known tells that it does not count from another.
		h, ok := amd64.HowtoOf(r.Type)
		relative := !ok || h.PCRel
		if relative && s.Flags&elf.SHF_EXECINSTR == 0 && !known {
			return nil, false, fmt.Errorf("%w: %s+%#x", errLed, s.Name, r.Offset)
		}
		bias := uint64(0)
		if relative && s.Flags&elf.SHF_EXECINSTR != 0 {
			end, err := ends(r.Offset)
			if err != nil {
				return nil, false, err
			}
			bias = end - r.Offset
		}
		moved := c.moved
		if known {
			moved = c.movedByte
		}
		now, err := moved(to.Offset + bias)
		if err != nil {
			return nil, false, err
		}
		value := w.spec.Symbols[r.Sym].Value
		if moved, ok := symbols[int(r.Sym)]; ok {
			value = moved.Value
		}
		r.Addend = int64(now - bias - value)
		changed = true
	}
	return list, changed, nil
}

// endsOf returns what finds the end of the instruction that has a field, for fields in ascending order.
func endsOf(s *elfobj.SpecSection) func(field uint64) (uint64, error) {
	end := uint64(0)
	return func(field uint64) (uint64, error) {
		for end <= field {
			if end >= uint64(len(s.Data)) {
				return 0, errDecode
			}
			in, err := amd64.Decode(s.Data[end:])
			if err != nil {
				return 0, fmt.Errorf("%w: %s+%#x", errDecode, s.Name, end)
			}
			end += uint64(in.Len)
		}
		return end, nil
	}
}

// own moves the relocations of the code itself, and leaves out those of its branches.
func (c *code) own(list []elfobj.Rela) []elfobj.Rela {
	var out []elfobj.Rela
	for _, r := range list {
		i := c.at(r.Offset)
		if c.list[i].site != nil {
			continue
		}
		r.Offset = c.field(r.Offset)
		out = append(out, r)
	}
	return out
}

// at is the instruction that has a byte.
func (c *code) at(off uint64) int {
	i, ok := slices.BinarySearchFunc(c.list, off, func(x inst, off uint64) int { return cmp.Compare(x.old, off) })
	if !ok {
		i--
	}
	return i
}

// field is where a field of an instruction will be: none that has one becomes longer.
func (c *code) field(off uint64) uint64 {
	x := &c.list[c.at(off)]
	return x.now + off - x.old
}

// apply changes the object.
func (w *rewriter) apply(c *code, code []byte, refs *references) {
	s := &w.spec.Sections[c.sec]
	s.Data, s.Size = code, uint64(len(code))
	for sec, list := range refs.relas {
		w.setRelas(sec, list)
	}
	for i, sym := range refs.symbols {
		w.spec.Symbols[i] = sym
	}
	for i, off := range refs.fields {
		w.marks.Fields[i].Offset = off
	}
}
