package lint

import (
	"cmp"
	"debug/elf"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// applied are the types that the loader applies (apply_relocate_add of
// arch/x86/kernel/module.c), with the size of their fields in bytes.
var applied = map[elf.R_X86_64]uint64{
	elf.R_X86_64_NONE: 0, elf.R_X86_64_64: 8, elf.R_X86_64_32: 4, elf.R_X86_64_32S: 4,
	elf.R_X86_64_PC32: 4, elf.R_X86_64_PLT32: 4, elf.R_X86_64_PC64: 8,
}

// A rela is a relocation of a section that is loaded.
type rela struct {
	elfobj.Rela
	size   uint64 // of its field, bytes
	object string // of which livepatch applies it; "" for the loader's own
	table  string // the section that it is in
}

func (r *rela) typ() elf.R_X86_64 { return elf.R_X86_64(r.Type) }

// readRelas reads the relocations of all sections that are loaded.
func (c *checker) readRelas() error {
	c.relas = map[elfobj.SectionIndex][]rela{}
	for _, s := range c.obj.Sections {
		if s.Type != elf.SHT_RELA || c.section(elfobj.SectionIndex(s.Info)) == nil {
			continue
		}
		list, err := s.Relas()
		if err != nil {
			return err
		}
		object, _, _ := livepatchRela(s.Name)
		to := elfobj.SectionIndex(s.Info)
		for _, r := range list {
			c.relas[to] = append(c.relas[to], rela{r, applied[elf.R_X86_64(r.Type)], object, s.Name})
		}
		c.out.Relocations += len(list)
	}
	for _, list := range c.relas {
		slices.SortStableFunc(list, func(a, b rela) int { return cmp.Compare(a.Offset, b.Offset) })
	}
	return nil
}

// relocations looks at each relocation: its field, and where it leads.
func (c *checker) relocations() bool {
	for _, s := range c.obj.Sections {
		list := c.relas[s.Index]
		data, err := s.Data()
		if err != nil {
			continue // it is known already
		}
		end := uint64(0)
		for i := range list {
			r := &list[i]
			if !c.field(s, r, data) {
				continue
			}
			if r.size > 0 && r.Offset < end {
				c.wrong(CodeReloc, s.Name, r.Offset, c.name(r), "it shares bytes with the relocation before it")
			}
			end = max(end, r.Offset+r.size)
			if r.size > 0 {
				c.leads(s, r)
			}
		}
	}
	return true
}

// field looks at where a relocation writes, and reports whether it makes sense to go on.
func (c *checker) field(s *elfobj.Section, r *rela, data []byte) bool {
	_, known := applied[r.typ()]
	switch {
	case !known:
		c.wrong(CodeReloc, s.Name, r.Offset, c.name(r), "the loader does not apply %v", r.typ())
	case r.Offset > s.Size || r.size > s.Size-r.Offset:
		c.wrong(CodeReloc, s.Name, r.Offset, c.name(r), "the loader would write behind the section, which has %d bytes", s.Size)
	case r.size > 0 && s.Type == elf.SHT_NOBITS:
		c.wrong(CodeReloc, s.Name, r.Offset, c.name(r), "it writes to what has no content in the file")
	case r.size > 0 && r.Offset+r.size <= uint64(len(data)) && !zero(data[r.Offset:r.Offset+r.size]):
		c.wrong(CodeReloc, s.Name, r.Offset, c.name(r), "its field is not zero in the file: the loader refuses that")
	case r.size > 0 && int(r.Sym) >= len(c.syms):
		c.wrong(CodeReloc, s.Name, r.Offset, "", "it has symbol %d of %d", r.Sym, len(c.syms))
	case r.size > 0 && r.Sym == 0:
		c.wrong(CodeReloc, s.Name, r.Offset, "", "it has no symbol")
	default:
		return true
	}
	return false
}

func zero(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}

// name is what a relocation refers to, for people.
func (c *checker) name(r *rela) string {
	if int(r.Sym) >= len(c.syms) {
		return ""
	}
	s := &c.syms[r.Sym]
	if s.Name == "" {
		if in := c.obj.Section(s.Section); in != nil {
			return in.Name
		}
	}
	return s.Name
}

// A use is how a relocation's field is used.
type use uint8

const (
	useData    use = iota // an address in data
	useTable              // a field of a table that is looked at by its entries
	useBranch             // where a branch leads
	useOperand            // an operand in code
	useNone               // nothing that is known of the field
)

// useOf finds out how a field is used, and how far its end is from where the processor counts.
func (c *checker) useOf(s *elfobj.Section, r *rela) (u use, tail int64) {
	if !isCode(s) {
		if isTable(s.Name) {
			return useTable, 0
		}
		return useData, 0
	}
	k := c.code[s.Index]
	at, in, ok := k.containing(r.Offset)
	if !ok {
		return useNone, 0
	}
	off, n := r.Offset-at, r.size
	relative := r.typ() == elf.R_X86_64_PC32 || r.typ() == elf.R_X86_64_PLT32
	switch {
	case relative && in.PCRelLen == 4 && off == uint64(in.PCRelOff):
		if in.IsBranch() {
			return useBranch, int64(in.Len) - int64(off)
		}
		return useOperand, int64(in.Len) - int64(off)
	case !relative && n == uint64(in.ImmLen) && off == uint64(in.ImmOff), !relative && n == uint64(in.DispLen) && off == uint64(in.DispOff) && !in.IsRIPRelative():
		return useOperand, 0
	}
	c.wrong(CodeReloc, s.Name, r.Offset, c.name(r), "%v is not for the field of the instruction at %#x", r.typ(), at)
	return useNone, 0
}

// leads looks at where a relocation leads.
func (c *checker) leads(s *elfobj.Section, r *rela) {
	u, tail := c.useOf(s, r)
	sym := &c.syms[r.Sym]
	if !sym.IsDefined() {
		if r.object != "" && sym.Section != elfobj.SecLivepatch || r.object == "" && sym.Section == elfobj.SecLivepatch {
			c.wrong(CodeReloc, s.Name, r.Offset, sym.Name, "symbols of livepatch are for relocations of livepatch (%s), and for these alone", kerneltab.LivepatchRela)
		}
		c.leadsOut(s, r, sym, u, tail)
		return
	}
	if sym.Section.IsReserved() {
		return // a number
	}
	to := c.section(sym.Section)
	if to == nil {
		c.wrong(CodeTarget, s.Name, r.Offset, c.name(r), "it leads to a section that is not loaded")
		return
	}
	if r.typ() == elf.R_X86_64_32 && kerneltab.MemoryOf(to.Name) != kerneltab.MemoryPerCPU {
		c.wrong(CodeReloc, s.Name, r.Offset, c.name(r), "the address of what is in a module does not fit into it")
	}
	if isInit(to) && !isInit(s) && u != useTable && !mayLeadToInit[s.Name] {
		c.doubt(CodeTarget, s.Name, r.Offset, c.name(r), "it leads to %s, which is freed when the module is initialised", to.Name)
	}
	if u == useTable || u == useNone || u == useData && r.typ() != elf.R_X86_64_64 {
		return
	}
	c.inside(s, r, to, int64(sym.Value)+r.Addend+tail, u)
}

// mayLeadToInit are sections that lead to what is freed in modules with which nothing is wrong:
// the kernel calls it once, and pieces of code of the start stand there.
var mayLeadToInit = map[string]bool{kerneltab.ThisModule: true, kerneltab.AltReplacement: true, kerneltab.AltAux: true}

// inside looks at a place in the module that something refers to.
func (c *checker) inside(s *elfobj.Section, r *rela, to *elfobj.Section, off int64, u use) {
	k := c.code[to.Index]
	switch {
	case off < 0 || uint64(off) > to.Size:
		c.outOf(u, off, to.Size)(CodeTarget, s.Name, r.Offset, c.name(r), "it leads to %s%+d, which is not in that section of %d bytes", to.Name, off, to.Size)
	case u == useBranch && k == nil:
		c.wrong(CodeTarget, s.Name, r.Offset, c.name(r), "a branch leads into data")
	case k == nil || uint64(off) == to.Size && u != useBranch:
	case u == useData && c.filledIn(place{to.Index, uint64(off)}):
	case !k.isStart(uint64(off)):
		c.wrong(CodeTarget, s.Name, r.Offset, c.name(r), "it leads to %s+%#x, where no instruction begins", to.Name, off)
	}
}

// A place is one in a section.
type place struct {
	section elfobj.SectionIndex
	offset  uint64
}

// filledIn reports whether an update of package module fills in a field of an instruction itself: its
// tables lead there.
func (c *checker) filledIn(at place) bool {
	if c.filled == nil {
		c.filled = map[place]bool{}
		for i := range c.syms {
			if s := &c.syms[i]; c.out.Ours && s.Type() == elf.STT_OBJECT && (strings.Contains(s.Name, "_fixups_") || strings.HasSuffix(s.Name, "_copies")) {
				c.fills(s)
			}
		}
	}
	return c.filled[at]
}

// fills notes the places in code that a table leads to.
func (c *checker) fills(table *elfobj.Symbol) {
	for i := range c.relas[table.Section] {
		r := &c.relas[table.Section][i]
		if to := &c.syms[r.Sym]; r.Offset >= table.Value && r.Offset-table.Value < table.Size && c.code[to.Section] != nil {
			c.filled[place{to.Section, to.Value + uint64(r.Addend)}] = true
		}
	}
}

// maxFold is how far out of a section an operand may lead, in bytes: compilers fold what is added to
// an address into it, such as the least index of a table. The farthest that was seen is 4 KiB.
const maxFold = 64 << 10

// outOf is how bad it is to lead out of a section.
func (c *checker) outOf(u use, off int64, size uint64) func(finding.Code, string, uint64, string, string, ...any) {
	if u == useOperand && off > -maxFold && off < int64(size)+maxFold {
		return c.doubt
	}
	return c.wrong
}

// leadsOut looks at a place in the kernel, or in other modules, that something refers to.
func (c *checker) leadsOut(s *elfobj.Section, r *rela, sym *elfobj.Symbol, u use, tail int64) {
	if c.kernel == nil || u == useNone || sym.Section == elfobj.SecLivepatch {
		return
	}
	e, ok := c.kernel.exports[sym.Name]
	if !ok || e.Module != "" {
		return // imports tells
	}
	at := e.Addr + uint64(r.Addend+tail)
	if u == useTable || u == useData && r.typ() != elf.R_X86_64_64 {
		at = e.Addr + uint64(r.Addend)
	}
	switch {
	case !c.kernel.has(at):
		c.wrong(CodeTarget, s.Name, r.Offset, sym.Name, "it leads to %#x, which is not in the kernel", at)
	case r.typ() == elf.R_X86_64_32 && at>>32 != 0:
		c.wrong(CodeReloc, s.Name, r.Offset, sym.Name, "the address does not fit into it")
	case u == useBranch && !c.kernel.isFunction(at):
		c.wrong(CodeTarget, s.Name, r.Offset, sym.Name, "a branch leads to %#x of the kernel, where no function begins", at)
	}
}

// relocated reports whether a relocation fills in one of the bytes.
func (c *checker) relocated(s elfobj.SectionIndex, off, n uint64) bool {
	_, ok := c.relaIn(s, off, n)
	return ok
}

// relaIn returns the first relocation whose field begins in a stretch.
func (c *checker) relaIn(s elfobj.SectionIndex, off, n uint64) (*rela, bool) {
	list := c.relas[s]
	i, _ := slices.BinarySearchFunc(list, off, func(r rela, at uint64) int { return cmp.Compare(r.Offset, at) })
	for ; i < len(list) && list[i].Offset < off+n; i++ {
		if list[i].size > 0 {
			return &list[i], true
		}
	}
	return nil, false
}
