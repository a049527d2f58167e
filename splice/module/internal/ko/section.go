package ko

import (
	"debug/elf"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// A Section of the module, as it grows.
type Section struct {
	Name      string
	Type      elf.SectionType
	Flags     elf.SectionFlag
	align     uint64
	EntrySize uint64
	Data      []byte
	size      uint64 // of .bss
	Relas     []elfobj.Rela
	Index     elfobj.SectionIndex
	Anchor    elfobj.SymbolIndex // its section symbol
}

// Len returns where the next byte goes.
func (s *Section) Len() uint64 { return max(uint64(len(s.Data)), s.size) }

// Pad aligns the end. Code is filled with int3, which nothing runs into.
func (s *Section) Pad(align uint64) {
	s.align = max(s.align, align)
	if align == 0 {
		return
	}
	n := (align - s.Len()%align) % align
	if s.Type == elf.SHT_NOBITS {
		s.size += n
		return
	}
	fill := byte(0)
	if s.Flags&elf.SHF_EXECINSTR != 0 {
		fill = amd64.FillInt3
	}
	for range n {
		s.Data = append(s.Data, fill)
	}
}

// Append adds aligned bytes, and returns where they went.
func (s *Section) Append(align uint64, b []byte) uint64 {
	s.Pad(align)
	at := s.Len()
	s.Data = append(s.Data, b...)
	return at
}

// AddRela adds a relocation.
func (s *Section) AddRela(off uint64, typ elf.R_X86_64, sym elfobj.SymbolIndex, addend int64) {
	s.Relas = append(s.Relas, elfobj.Rela{Offset: off, Type: uint32(typ), Sym: sym, Addend: addend})
}

// Memory returns what a section of the module is, once it is loaded.
func (s *Section) Memory() Memory {
	if s.Name == kerneltab.PerCPU {
		return MemoryPerCPU
	}
	return MemoryPlain
}
