package lint

import (
	"cmp"
	"debug/elf"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// A code is a section of code, and where instructions begin in it.
type code struct {
	data      []byte
	starts    []uint64 // a bit for each byte
	functions []uint64 // where functions begin, sorted
}

func (k *code) mark(off uint64) { k.starts[off/64] |= 1 << (off % 64) }

// isStart reports whether an instruction begins at an offset.
func (k *code) isStart(off uint64) bool {
	return k != nil && off < uint64(len(k.data)) && k.starts[off/64]>>(off%64)&1 != 0
}

// isFunction reports whether a function begins at an offset.
func (k *code) isFunction(off uint64) bool {
	if k == nil {
		return false
	}
	_, ok := slices.BinarySearch(k.functions, off)
	return ok
}

// maxInst is the length of the longest instruction, bytes.
const maxInst = 15

// containing returns the instruction that a byte belongs to.
func (k *code) containing(off uint64) (at uint64, in amd64.Inst, ok bool) {
	for d := uint64(0); d < maxInst && d <= off; d++ {
		if at = off - d; !k.isStart(at) {
			continue
		}
		in, err := amd64.Decode(k.data[at:])
		return at, in, err == nil && off < at+uint64(in.Len)
	}
	return 0, amd64.Inst{}, false
}

// A stretch of code is what a symbol, or something else, begins.
type stretch struct {
	start, end uint64 // in the section; end is 0 where it is not known
	name       string
}

// decode finds where instructions begin.
func (c *checker) decode() bool {
	c.code = map[elfobj.SectionIndex]*code{}
	for _, s := range c.obj.Sections {
		if data, err := s.Data(); err == nil && isLoaded(s) && isCode(s) && s.Type == elf.SHT_PROGBITS {
			c.code[s.Index] = &code{data: data, starts: make([]uint64, len(data)/64+1)}
		}
	}
	stretches := c.stretches()
	for _, s := range c.obj.Sections {
		if k := c.code[s.Index]; k != nil {
			c.decodeSection(s, k, stretches[s.Index])
		}
	}
	return true
}

// stretches returns what is known to begin somewhere in code.
func (c *checker) stretches() map[elfobj.SectionIndex][]stretch {
	out := map[elfobj.SectionIndex][]stretch{}
	for i := range c.syms {
		s := &c.syms[i]
		k := c.code[s.Section]
		if k == nil || s.Type() != elf.STT_FUNC && s.Type() != elf.STT_NOTYPE || s.Value >= uint64(len(k.data)) {
			continue
		}
		x := stretch{s.Value, s.Value + min(s.Size, uint64(len(k.data))-s.Value), s.Name}
		if s.Size == 0 {
			x.end = 0
		}
		out[s.Section] = append(out[s.Section], x)
		if s.Type() == elf.STT_FUNC || s.Bind() != elf.STB_LOCAL {
			k.functions = append(k.functions, s.Value)
		}
	}
	for _, k := range c.code {
		slices.Sort(k.functions)
		k.functions = slices.Compact(k.functions)
	}
	for s := range c.obj.SectionsNamed(kerneltab.AltInstructions) {
		for i := range c.relas[s.Index] {
			r := &c.relas[s.Index][i]
			if to, off, ok := c.place(r); ok && c.code[to.Index] != nil && to.Name == kerneltab.AltReplacement && off < to.Size {
				out[to.Index] = append(out[to.Index], stretch{start: off})
			}
		}
	}
	return out
}

// place returns where a relocation leads in the module, without what an instruction adds.
func (c *checker) place(r *rela) (*elfobj.Section, uint64, bool) {
	if int(r.Sym) >= len(c.syms) {
		return nil, 0, false
	}
	s := &c.syms[r.Sym]
	to := c.section(s.Section)
	if to == nil || !s.IsDefined() {
		return nil, 0, false
	}
	return to, s.Value + uint64(r.Addend), true
}

// decodeSection marks the instructions of a section.
func (c *checker) decodeSection(s *elfobj.Section, k *code, list []stretch) {
	slices.SortStableFunc(list, func(a, b stretch) int { return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(b.end, a.end)) })
	if len(list) == 0 || list[0].start > 0 {
		list = slices.Insert(list, 0, stretch{}) // pieces without names, such as the slow ways of alternatives
	}
	list = slices.CompactFunc(list, func(a, b stretch) bool { return a.start == b.start })
	for i, x := range list {
		known := x.end > 0
		if !known {
			if k.isStart(x.start) {
				continue // a label in a function
			}
			if x.end = uint64(len(k.data)); i+1 < len(list) {
				x.end = list[i+1].start
			}
		}
		c.decodeStretch(s, k, x, known)
	}
}

// decodeStretch marks the instructions of a stretch, up to one that was marked already behind its
// start.
func (c *checker) decodeStretch(s *elfobj.Section, k *code, x stretch, known bool) {
	for at := x.start; at < x.end; {
		if k.isStart(at) && at > x.start {
			return
		}
		in, err := amd64.Decode(k.data[at:x.end])
		if err != nil {
			if known {
				c.doubt(CodeCode, s.Name, at, x.name, "no instruction that is known: %v", err)
			}
			return
		}
		k.mark(at)
		at += uint64(in.Len)
	}
}

// branches looks at branches and operands that no relocation fills in.
func (c *checker) branches() bool {
	for _, s := range c.obj.Sections {
		k := c.code[s.Index]
		for at := uint64(0); k != nil && at < uint64(len(k.data)); at++ {
			if k.isStart(at) {
				c.instruction(s, k, at)
			}
		}
	}
	return true
}

func (c *checker) instruction(s *elfobj.Section, k *code, at uint64) {
	in, err := amd64.Decode(k.data[at:])
	if err != nil || in.PCRelLen == 0 || c.relocated(s.Index, at+uint64(in.PCRelOff), uint64(in.PCRelLen)) {
		return
	}
	if s.Name == kerneltab.AltReplacement || c.filledIn(place{s.Index, at + uint64(in.PCRelOff)}) {
		return // filled in later, or it is moved to where it replaces something
	}
	to, next := in.PCRel(k.data[at:], at), at+uint64(in.Len)
	switch {
	case in.IsBranch() && !k.isStart(to):
		c.wrong(CodeCode, s.Name, at, c.function(s.Index, at), "a branch leads to %#x, where no instruction begins", to)
	case !in.IsBranch() && to > s.Size:
		c.wrong(CodeCode, s.Name, at, c.function(s.Index, at), "an operand is at %#x, which is not in the section", to)
	case in.PCRelLen == 4 && to == next && (in.Class == amd64.Call || !in.IsBranch() && !isLea(in)):
		c.doubt(CodeCode, s.Name, at, c.function(s.Index, at), "the field of a call, or of an operand, is empty: its relocation may be lost")
	}
}

// isLea reports whether an instruction only takes the address of its operand, which may be what
// follows it (_THIS_IP_).
func isLea(in amd64.Inst) bool { return in.Opcode.Map() == amd64.MapOne && in.Opcode.Byte() == 0x8d }

// function names the function that a place in code is in, for people.
func (c *checker) function(s elfobj.SectionIndex, off uint64) string {
	if c.count[CodeCode] >= maxFindings {
		return "" // nobody will read it
	}
	for i := range c.syms {
		x := &c.syms[i]
		if x.Section == s && x.Type() == elf.STT_FUNC && off >= x.Value && off-x.Value < x.Size {
			return x.Name
		}
	}
	return ""
}
