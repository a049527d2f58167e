package kernel

import (
	"debug/elf"
	"fmt"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// A Part is a piece of memory of a module that is allocated as a whole.
type Part struct {
	Name string
	Base uint64 // link address, made up
	Size uint64 // bytes that sections take
	// Field is the offset in struct module of the pointer to it; -1 when
	// there is none to rely on, because it is freed.
	Field int64
	Init  bool // freed once the module is initialised
	// Sizes are words of four bytes in struct module that the loader derives
	// from the sizes of sections: what another layout would show in.
	Sizes []Word
}

// A Word is the value of a member of struct module.
type Word struct {
	Offset uint64
	Value  uint32
}

// place is where something is in a module's memory.
type place struct {
	part int
	off  uint64
	kept bool // the loader keeps it at all
}

const (
	modulePage = 4096
	// moduleBase is where modules are put, made up like the rest: within reach
	// of the image, in the second half of the area for modules
	// (Documentation/arch/x86/x86_64/mm.rst).
	moduleBase = 0xffffffffd0000000
	partSpace  = 64 << 20
	// PerCPUBase is the made-up offset of a module's per-CPU variables, behind
	// those of any kernel.
	PerCPUBase = 1 << 24
)

// partRow is a kind of memory, and masks the flags of the sections that go
// there: layout_sections of kernel/module/main.c in Linux 6.1, and 6.12.
type partRow struct {
	name, kind string // kind: of enum mod_mem_type
	has, not   elf.SectionFlag
	roAfter    bool
	size       string // the member of struct module_layout that ends with it
}

var partRows = []partRow{
	{name: "text", kind: "MOD_TEXT", has: elf.SHF_ALLOC | elf.SHF_EXECINSTR, size: "text_size"},
	{name: "rodata", kind: "MOD_RODATA", has: elf.SHF_ALLOC, not: elf.SHF_WRITE, size: "ro_size"},
	{name: "ro_after_init", kind: "MOD_RO_AFTER_INIT", has: elf.SHF_ALLOC, roAfter: true, size: "ro_after_init_size"},
	{name: "data", kind: "MOD_DATA", has: elf.SHF_ALLOC | elf.SHF_WRITE},
}

// lay gives each section its place. Until Linux 6.3 all parts are one piece of
// memory (struct module_layout), since then each is its own (struct
// module_memory); what is freed after the module's init is apart in both.
func (m *Module) lay(l Layout) error {
	m.places = make([]place, len(m.File.Sections))
	mod := l["module"]
	mem, apart := mod.Offsets["mem"]
	core, together := mod.Offsets["core_layout"]
	old, memory, kinds := l["module_layout"], l["module_memory"], l[memoryKinds]
	if apart == together || together && old.Offsets == nil || apart && (memory.Offsets == nil || kinds.Offsets == nil) {
		return m.fail("struct module", "it is of an unknown version")
	}
	done := make([]bool, len(m.File.Sections))
	if together {
		m.Parts = append(m.Parts, Part{Name: "core", Field: int64(core + old.Offsets["base"])})
	}
	for i := range partRows {
		row := &partRows[i]
		if apart {
			kind, ok := kinds.Offsets[row.kind]
			if !ok {
				return m.fail("enum "+memoryKinds, "no %s", row.kind)
			}
			at := mem + kind*memory.Size
			m.Parts = append(m.Parts, Part{Name: row.name, Field: int64(at + memory.Offsets["base"])})
			p := m.fill(l, row, done, false)
			if row.size != "" { // data goes on with the symbol table
				p.Sizes = append(p.Sizes, Word{at + memory.Offsets["size"], uint32(align(p.Size, modulePage))})
			}
			continue
		}
		p := m.fill(l, row, done, false)
		p.Size = align(p.Size, modulePage)
		if row.size != "" {
			p.Sizes = append(p.Sizes, Word{core + old.Offsets[row.size], uint32(p.Size)})
		}
	}
	m.Parts = append(m.Parts, Part{Name: kerneltab.PerCPU, Field: int64(mod.Offsets["percpu"])})
	m.fill(l, &partRow{name: kerneltab.PerCPU}, done, false)
	m.Parts = append(m.Parts, Part{Name: "init", Field: -1, Init: true})
	for i := range partRows {
		p := m.fill(l, &partRows[i], done, true)
		p.Size = align(p.Size, modulePage)
	}
	for i := range m.Parts {
		p := &m.Parts[i]
		if p.Base = moduleBase + uint64(i)*partSpace; p.Name == kerneltab.PerCPU {
			p.Base = PerCPUBase
		}
		if p.Size > partSpace {
			return m.fail(p.Name, "%#x bytes are too many", p.Size)
		}
	}
	return nil
}

// fill puts the sections of a row behind one another into the last part.
func (m *Module) fill(l Layout, row *partRow, done []bool, init bool) *Part {
	n := len(m.Parts) - 1
	p := &m.Parts[n]
	for i, s := range m.File.Sections {
		cpu := s.Name == kerneltab.PerCPU
		if done[i] || s.Type == elf.SHT_NULL || s.Flags&elf.SHF_ALLOC == 0 || kerneltab.MemoryOf(s.Name) == kerneltab.MemoryUnloaded || cpu != (row.name == kerneltab.PerCPU) {
			continue
		}
		if s.Flags&row.has != row.has || s.Flags&row.not != 0 || row.roAfter && !l.isAfterInit(s.Name) || strings.HasPrefix(s.Name, kerneltab.Init) != init {
			continue
		}
		done[i] = true
		at := align(p.Size, s.Addralign)
		m.places[i] = place{n, at, true}
		if p.Size = at + s.Size; p.Size < s.Size || p.Size > partSpace {
			p.Size = partSpace + 1 // lay says so
		}
	}
	return p
}

func align(v, to uint64) uint64 {
	if to < 2 || to > modulePage {
		return v
	}
	return (v + to - 1) / to * to
}

// Addr returns the made-up link address of an offset in a section.
func (m *Module) Addr(s elfobj.SectionIndex, off uint64) (uint64, bool) {
	if int(s) >= len(m.places) || !m.places[s].kept {
		return 0, false
	}
	p := m.places[s]
	return m.Parts[p.part].Base + p.off + off, true
}

// Addresses returns the made-up link address of each section by name, as in
// /sys/module/NAME/sections.
func (m *Module) Addresses() (map[string]uint64, error) {
	out := map[string]uint64{}
	for i, s := range m.File.Sections {
		if !m.places[i].kept {
			continue
		}
		if _, twice := out[s.Name]; twice {
			return nil, m.fail(s.Name, "there are two sections of that name")
		}
		out[s.Name] = m.Parts[m.places[i].part].Base + m.places[i].off
	}
	return out, nil
}

// Locate returns the part that a made-up address lies in, or at whose end it is.
func (m *Module) Locate(addr uint64) (part int, off uint64, ok bool) {
	i := slices.IndexFunc(m.Parts, func(p Part) bool { return p.Base <= addr && addr <= p.Base+p.Size && p.Size > 0 })
	if i < 0 {
		return 0, 0, false
	}
	return i, addr - m.Parts[i].Base, true
}

// SymbolAt returns the place of a defined symbol.
func (m *Module) SymbolAt(s *elfobj.Symbol) (part int, off uint64, ok bool) {
	p, ok := m.place(s)
	return p.part, p.off, ok
}

func (m *Module) place(s *elfobj.Symbol) (place, bool) {
	if s.Section.IsReserved() || int(s.Section) >= len(m.places) || !m.places[s.Section].kept {
		return place{}, false
	}
	p := m.places[s.Section]
	p.off += s.Value
	return p, true
}

// A Fixup is a field that the loader fills in.
type Fixup struct {
	Offset uint64 // from the start of the stretch
	Rela   elfobj.Rela
	Symbol *elfobj.Symbol
}

// SectionAt returns the section that a place in a part of the module comes from.
func (m *Module) SectionAt(part int, off uint64) (*elfobj.Section, bool) {
	for i, s := range m.File.Sections {
		if p := m.places[i]; p.kept && p.part == part && off >= p.off && off-p.off < s.Size {
			return s, true
		}
	}
	return nil, false
}

// Raw returns a stretch of a section as the file has it, with the relocations
// in it.
func (m *Module) Raw(part int, off, size uint64) ([]byte, []Fixup, error) {
	for i, s := range m.File.Sections {
		p := m.places[i]
		if !p.kept || p.part != part || off < p.off || off-p.off > s.Size || s.Size-(off-p.off) < size || s.Type == elf.SHT_NOBITS {
			continue
		}
		b, err := s.Data()
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", m.Path, err)
		}
		relas, err := m.File.Relas(s.Index)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", m.Path, err)
		}
		lo := off - p.off
		var fix []Fixup
		for _, r := range relas {
			if r.Offset >= lo && r.Offset < lo+size {
				fix = append(fix, Fixup{r.Offset - lo, r, &m.syms[r.Sym]})
			}
		}
		return slices.Clone(b[lo : lo+size]), fix, nil
	}
	return nil, nil, m.fail(m.Parts[part].Name, "no %d bytes of a section at %#x", size, off)
}
