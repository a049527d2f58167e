package ko

import (
	"debug/elf"
	"errors"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// A Placing puts the sections of one object into those of the module: an object that a
// patch was extracted from, or one of the module's own code.
type Placing struct {
	To      *File
	Spec    *elfobj.Spec
	Object  string // its name
	Padding uint64 // room in front of each function, bytes
	Homes   []Home // of the object's sections, by their indices
	Syms    []Dest // where the object's symbols lead, by their indices
}

// ErrSection is for a section that a module can't have.
var ErrSection = errors.New("it has no place in a module")

// A Home is where a section of an object went.
type Home struct {
	Section *Section // nil for what is not carried
	Offset  uint64
}

// Carry copies a relocation of what has its home there, to a symbol that leads to t.
func (h Home) Carry(r *elfobj.Rela, t Dest) {
	h.Section.AddRela(h.Offset+r.Offset, elf.R_X86_64(r.Type), t.Symbol, t.Addend+r.Addend)
}

// Travels reports whether a section has something in it that a module would carry.
// Tables for unwinding by .eh_frame are for debuggers.
func Travels(s *elfobj.SpecSection) bool {
	return s.Flags&elf.SHF_ALLOC != 0 && s.Name != kerneltab.EhFrame && (s.Type == elf.SHT_PROGBITS || s.Type == elf.SHT_NOBITS)
}

// Place gives section i its place, with the given content. A section that a module can't
// have is an [ErrSection].
func (p *Placing) Place(i int, data []byte) error {
	s := &p.Spec.Sections[i]
	row := kerneltab.Carried(s.Name)
	if row == nil || s.Type == elf.SHT_NOBITS && row.Module.Flags&elf.SHF_WRITE == 0 {
		return ErrSection
	}
	if s.Type == elf.SHT_NOBITS {
		out := p.To.Section(kerneltab.Bss, elf.SHT_NOBITS, AllocWrite, 1)
		out.Pad(max(s.Addralign, 1))
		p.Homes[i] = Home{out, out.size}
		out.size += s.Size
		return nil
	}
	to, flags := row.Module.To, row.Module.Flags
	if to == kerneltab.Bss {
		to, flags = kerneltab.Data, AllocWrite
	}
	out := p.To.Section(to, elf.SHT_PROGBITS, flags, 1)
	if to == kerneltab.Text {
		p.prefix(out, s.Addralign)
	}
	if to != kerneltab.Text && to != kerneltab.Rodata && to != kerneltab.Data {
		out.EntrySize = s.Entsize
	}
	p.Homes[i] = Home{out, out.Append(max(s.Addralign, 1), data)}
	return nil
}

// prefix makes room in front of a function, as this kernel's functions have it:
// for call depth tracking, which writes there (arch/x86/kernel/callthunks.c).
func (p *Placing) prefix(out *Section, align uint64) {
	if p.Padding == 0 {
		return
	}
	align = max(align, 1)
	out.Pad(align)
	for room := (p.Padding + align - 1) / align * align; room > 0; room-- {
		out.Data = append(out.Data, amd64.FillNop)
	}
}
