package verify

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/reloc"
)

// stands reports whether code without a symbol is at its place, byte by byte. Matching takes a jump
// to such code for the way to it, and that may have been rewritten: of an alternative, the jump to
// the code that decides before alternatives are applied. What it leads to since has to be what a
// replacement leads to.
func (u *updating) stands(f *reloc.FuncResult) bool {
	a := u.object.Atom(f.Atom)
	base, ok := u.base(a.Section)
	if !ok || f.Address == base+a.Offset { // there it was compared
		return false
	}
	section, err := u.object.File.Sections[a.Section].Data()
	if err != nil || a.Offset > uint64(len(section)) || a.Size > uint64(len(section))-a.Offset {
		return false
	}
	want := bytes.Clone(section)
	known, err := u.relocate(a.Section, base, want)
	if err != nil || slices.Contains(known[a.Offset:a.Offset+a.Size], false) {
		return false
	}
	if !u.reached(a, base, section) {
		return false
	}
	is := make([]byte, a.Size)
	return u.img.ReadAddr(is, base+a.Offset) == nil && bytes.Equal(is, want[a.Offset:a.Offset+a.Size])
}

// reached reports whether every jump of the file to a piece of code is what the kernel makes of it:
// as it was, to what a replacement leads to, or none any more.
func (u *updating) reached(a *object.Atom, base uint64, section []byte) bool {
	relas, err := u.object.File.Relas(a.Section)
	if err != nil {
		return false
	}
	found := false
	for _, r := range relas {
		s := u.object.Symbol(r.Sym)
		if s.Section != a.Section || !isRelative(&r) || s.Value+uint64(r.Addend)+fieldSize != a.Offset {
			continue
		}
		if r.Offset == 0 || r.Offset+fieldSize > uint64(len(section)) || section[r.Offset-1] != jump {
			return false
		}
		if !u.jumps(base+r.Offset-1, base+a.Offset) {
			return false
		}
		found = true
	}
	return found
}

const (
	jump      = 0xe9 // with four bytes behind it
	jumpShort = 0xeb // with one
	fieldSize = 4    // bytes
)

// jumps reports whether what stands for a jump to an address leads there, or where a replacement
// leads to, or is no jump. A short one has three bytes behind it that do nothing.
func (u *updating) jumps(at, to uint64) bool {
	var b [1 + fieldSize]byte
	if u.img.ReadAddr(b[:], at) != nil {
		return false
	}
	switch {
	case amd64.IsNop5(b[:]):
		return true
	case b[0] == jump:
		is := at + uint64(len(b)) + uint64(int64(int32(binary.LittleEndian.Uint32(b[1:]))))
		return is == to || u.isReplaced(is)
	case b[0] == jumpShort && amd64.IsShortJumpFill(b[2:]):
		is := at + 2 + uint64(int64(int8(b[1])))
		return is == to || u.isReplaced(is)
	}
	return false
}

func isRelative(r *elfobj.Rela) bool {
	return r.Type == uint32(elf.R_X86_64_PC32) || r.Type == uint32(elf.R_X86_64_PLT32)
}

// isReplaced reports whether a jump among the replacements of alternatives leads to an address.
func (u *updating) isReplaced(to uint64) bool {
	for s := range u.object.File.SectionsNamed(kerneltab.AltReplacement) {
		relas, err := u.object.File.Relas(s.Index)
		if err != nil {
			return false
		}
		for _, r := range relas {
			if v, ok := u.value(r.Sym); ok && isRelative(&r) && v+uint64(r.Addend)+fieldSize == to {
				return true
			}
		}
	}
	return false
}
