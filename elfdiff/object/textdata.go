package object

import (
	"debug/elf"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/amd64"
)

// Sections of code hold data too: tables that assembly puts beside the code that
// reads them. A jump that is written over data is read as data.

// isObject reports whether the symbols of a piece of a section of code say that it
// is data: one does, and none says that it is a function (gABI "Symbol Table",
// STT_OBJECT).
func (c *cutter) isObject(list []elfobj.SymbolIndex) bool {
	object := false
	for _, i := range list {
		switch c.obj.Symbol(i).Type() {
		case elf.STT_OBJECT:
			object = true
		case elf.STT_FUNC, elf.STT_GNU_IFUNC:
			return false
		}
	}
	return object
}

// A typeHash is what clang puts in front of functions for -fsanitize=function, since 17: a signature,
// and a hash of the type, which callers through a pointer compare
// (compiler-rt/lib/ubsan, __ubsan_handle_function_type_mismatch).
const (
	typeHashSize      = 8
	typeHashSignature = "\xfe\xca\x05\xc1"
)

// IsTypeHash reports whether an atom is the hash of the type of the function behind it. Hashes
// that have names of their own (-fsanitize=kcfi) are not meant.
func IsTypeHash(a *Atom) bool {
	return a != nil && a.Kind == Func && len(a.Symbols) == 0 && len(a.Bytes) == typeHashSize && string(a.Bytes[:len(typeHashSignature)]) == typeHashSignature
}

// appendFront adds the code [off, end) that no symbol covers and behind which a function begins.
// The hash of the function's type is an atom of its own, whatever is in front of it.
func (c *cutter) appendFront(parts []Atom, s *elfobj.Section, data []byte, off, end uint64) []Atom {
	if s.Type == elf.SHT_NOBITS || end-off < typeHashSize {
		return c.appendGap(parts, s, data, off, end)
	}
	hash := piece(s, Func, data, end-typeHashSize, end)
	if !IsTypeHash(&hash) || c.relasOf(s.Index).any(hash.Offset, end) {
		return c.appendGap(parts, s, data, off, end)
	}
	if off < hash.Offset {
		parts = c.appendGap(parts, s, data, off, hash.Offset)
	}
	return append(parts, hash)
}

// InCode reports whether an atom stands in a section of code.
func (o *Object) InCode(a *Atom) bool {
	return a != nil && o.File != nil && int(a.Section) < len(o.File.Sections) && o.File.Sections[a.Section].Flags&elf.SHF_EXECINSTR != 0
}

// IsReadOnly reports whether code without a type is data: instructions have it as
// an operand, and none branches to it. Where they just take its address, or do not
// name it here, what it is made of tells: code does not run out of its end.
func (o *Object) IsReadOnly(id AtomID) bool {
	a := o.Atom(id)
	if a == nil {
		return false
	}
	for _, i := range a.Symbols {
		if t := o.Symbol(i).Type(); t == elf.STT_FUNC || t == elf.STT_GNU_IFUNC {
			return false
		}
	}
	read := false
	for _, u := range o.users.of(id) {
		user := &o.Atoms[u]
		if user.Kind != Func || u == id {
			continue
		}
		for k := range user.Refs {
			switch r := &user.Refs[k]; {
			case r.Target != id:
			case IsCall(user, r):
				return false
			case isAccess(user, r):
				read = true
			}
		}
	}
	return read || !ends(a.Bytes)
}

// isAccess reports whether a reference is an operand in memory relative to RIP,
// other than that of lea.
func isAccess(a *Atom, r *Ref) bool {
	f, ok := amd64.PCRelTail(a.Bytes, int(r.Offset))
	return ok && amd64.TypeClass(r.Type) == amd64.PC32 && f.Operand && f.Op != opLea
}

// ends reports whether code decodes, and does not go on behind its end: what is
// before its padding leaves it.
func ends(code []byte) bool {
	last := amd64.Other
	for len(code) > 0 {
		in, err := amd64.Decode(code)
		if err != nil {
			return false
		}
		if in.Class != amd64.Nop {
			last = in.Class
		}
		code = code[in.Len:]
	}
	return last == amd64.Jump || last == amd64.JumpInd || last == amd64.Ret || last == amd64.Trap || last == amd64.Call
}
