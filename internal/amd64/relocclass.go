package amd64

import "debug/elf"

// PC32 is the type of most references in code, as relocations have it.
const PC32 = uint32(elf.R_X86_64_PC32)

// TypeClass maps relocation types that mean the same to one of them. PLT32 and
// PC32 differ only when the linker has to choose between a symbol and its PLT
// entry, which it does by the symbol (psABI section 4.4.1); the three GOTPCREL
// types differ only in what the linker may rewrite.
func TypeClass(t uint32) uint32 {
	switch elf.R_X86_64(t) {
	case elf.R_X86_64_PLT32:
		return PC32
	case elf.R_X86_64_GOTPCRELX, elf.R_X86_64_REX_GOTPCRELX:
		return uint32(elf.R_X86_64_GOTPCREL)
	}
	return t
}

// FieldSize returns how many bytes a relocation of type t owns. Unknown types
// own nothing, so that their bytes are compared.
func FieldSize(t uint32) int {
	if h, ok := HowtoOf(t); ok {
		return int(h.Size)
	}
	return 0
}
