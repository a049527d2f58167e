// Package kallsyms reads the symbols that a kernel carries along: the tables in
// its read-only data that /proc/kallsyms is made from, and the text that
// /proc/kallsyms and System.map are.
//
//	Find    the tables, in the bytes of an image or of memory
//	Parse   the text
//
// Both have every symbol with its address and the letter of nm for its type, but
// neither sizes nor files.
package kallsyms

import (
	"debug/elf"
	"fmt"
)

// A Symbol is one symbol.
type Symbol struct {
	Name   string
	Addr   uint64 // of per-CPU variables the offset in each processor's area
	Type   byte   // as nm has it: 'T' global code, 't' local code, 'D', 'B', 'R' data, 'A' absolute, 'W' weak
	Module string // of /proc/kallsyms: "" for the kernel, or the name in brackets
}

// IsLocal reports whether the symbol is static: in a module, whether it is not
// exported.
func (s *Symbol) IsLocal() bool { return 'a' <= s.Type && s.Type <= 'z' && s.Type != 'u' }

// ELFType returns what the letter says of the type of the symbol in an object.
// Labels in code are code for it.
func (s *Symbol) ELFType() elf.SymType {
	switch s.Type | 0x20 {
	case 't', 'w', 'i':
		return elf.STT_FUNC
	case 'd', 'b', 'r', 'v', 'u', 'g', 's':
		return elf.STT_OBJECT
	}
	return elf.STT_NOTYPE
}

// maxName is above KSYM_NAME_LEN of include/linux/kallsyms.h, 512 in Linux 6.1.
const maxName = 1024

// An Error says what is wrong with symbols, and where.
type Error struct {
	What   string // the table or "text"
	Offset uint64 // in the bytes that were given; of text the number of the line
	Msg    string
}

// Error returns the error on one line.
func (e *Error) Error() string {
	return fmt.Sprintf("kallsyms: %s at %#x: %s", e.What, e.Offset, e.Msg)
}
