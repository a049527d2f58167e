package module

import (
	"debug/elf"
	"errors"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// A placing puts the sections of one object into those of the module: an object that a
// patch was extracted from, or one of the module's own code.
type placing struct {
	to      *file
	spec    *elfobj.Spec
	object  string // its name
	padding uint64 // room in front of each function, bytes
	homes   []home // of the object's sections
	syms    []target
}

// errSection is for a section that has no place in a module.
var errSection = errors.New("it has no place in a module")

// A home is where a section of an object went.
type home struct {
	sec *section // nil for what is not carried
	off uint64
}

// carry copies a relocation of what has its home there, to a symbol that leads to t.
func (h home) carry(r *elfobj.Rela, t target) {
	h.sec.rela(h.off+r.Offset, elf.R_X86_64(r.Type), t.symbol, t.addend+r.Addend)
}

// travels reports whether a section has something in it that a module would carry.
// Tables for unwinding by .eh_frame are for debuggers.
func travels(s *elfobj.SpecSection) bool {
	return s.Flags&elf.SHF_ALLOC != 0 && s.Name != kerneltab.EhFrame && (s.Type == elf.SHT_PROGBITS || s.Type == elf.SHT_NOBITS)
}

// place gives section i its place, with the given content. A section that a module can't
// have is [errSection].
func (p *placing) place(i int, data []byte) error {
	s := &p.spec.Sections[i]
	row := kerneltab.Carried(s.Name)
	if row == nil || s.Type == elf.SHT_NOBITS && row.Module.Flags&elf.SHF_WRITE == 0 {
		return errSection
	}
	if s.Type == elf.SHT_NOBITS {
		out := p.to.section(kerneltab.Bss, elf.SHT_NOBITS, flagsWA, 1)
		out.pad(max(s.Addralign, 1))
		p.homes[i] = home{out, out.size}
		out.size += s.Size
		return nil
	}
	to, flags := row.Module.To, row.Module.Flags
	if to == kerneltab.Bss {
		to, flags = kerneltab.Data, flagsWA
	}
	out := p.to.section(to, elf.SHT_PROGBITS, flags, 1)
	if to == kerneltab.Text {
		p.prefix(out, s.Addralign)
	}
	if to != kerneltab.Text && to != kerneltab.Rodata && to != kerneltab.Data {
		out.ent = s.Entsize
	}
	p.homes[i] = home{out, out.append(max(s.Addralign, 1), data)}
	return nil
}

// prefix makes room in front of a function, as this kernel's functions have it:
// for call depth tracking, which writes there (arch/x86/kernel/callthunks.c).
func (p *placing) prefix(out *section, align uint64) {
	if p.padding == 0 {
		return
	}
	align = max(align, 1)
	out.pad(align)
	for room := (p.padding + align - 1) / align * align; room > 0; room-- {
		out.data = append(out.data, amd64.FillNop)
	}
}

// A target is where a reference leads: to a symbol of the file, with what to add to the
// addend. In a module that is patched it is a part of that module's memory, by its
// number from 1 on, and the offset in it.
type target struct {
	symbol elfobj.SymbolIndex
	part   int // 0 for a symbol
	addend int64
	memory memory
	// from is set for what another object of the update defines, by the index
	// of the symbol there, until that one is placed.
	from  *placing
	index int
}

// final returns what a target is once all objects are placed.
func (t target) final() target {
	if t.from != nil {
		return t.from.syms[t.index]
	}
	return t
}
