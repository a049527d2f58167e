package object

import "github.com/gosplice/gosplice/internal/amd64"

// Tail returns what is from an offset on; false where that is outside.
func Tail(a *Atom, off int64) ([]byte, bool) {
	if a == nil || a.NoBits || off < 0 || off >= int64(len(a.Bytes)) {
		return nil, false
	}
	return a.Bytes[off:], true
}

// IsCall reports whether the reference is the displacement of a direct call or
// jump: RIP-relative operands have a ModRM byte before the field that no
// branch opcode equals.
func IsCall(a *Atom, r *Ref) bool {
	if a == nil || r == nil || a.Kind != Func || r.Offset == 0 || r.Offset > uint64(len(a.Bytes)) { // a section without bytes has references too
		return false
	}
	return IsShort(r) || IsBranch(a.Bytes, r.Type, r.Offset)
}

// IsBranch is [IsCall] for a field of four bytes in code, by the type of its relocation.
func IsBranch(code []byte, typ uint32, off uint64) bool {
	if amd64.TypeClass(typ) != amd64.PC32 || off == 0 || off > uint64(len(code)) {
		return false
	}
	b := code[off-1]
	return b == 0xe8 || b == 0xe9 || off > 1 && code[off-2] == 0x0f && b&0xf0 == 0x80
}

// IsJump reports whether the reference is the displacement of a direct jump: of what [IsCall] takes, all
// but calls.
func IsJump(a *Atom, r *Ref) bool {
	return IsCall(a, r) && (IsShort(r) || a.Bytes[r.Offset-1] != 0xe8)
}

// RefAt returns the reference whose field begins at an offset, or nil.
func (a *Atom) RefAt(off uint64) *Ref {
	if list := a.RefsIn(off, off+1); len(list) > 0 {
		return &list[0]
	}
	return nil
}

// ByteAt returns the byte at an offset; what has no bytes is zero.
func (a *Atom) ByteAt(off uint64) byte {
	if off < uint64(len(a.Bytes)) {
		return a.Bytes[off]
	}
	return 0
}

// RefsIn returns the references whose fields start in [lo, hi), sliced from Refs.
func (a *Atom) RefsIn(lo, hi uint64) []Ref {
	i, j := 0, len(a.Refs)
	for i < j { // binary search, without a closure
		if h := (i + j) / 2; a.Refs[h].Offset < lo {
			i = h + 1
		} else {
			j = h
		}
	}
	for j = i; j < len(a.Refs) && a.Refs[j].Offset < hi; j++ {
	}
	return a.Refs[i:j:j]
}

// IsShort reports whether a reference is a branch of one byte that leaves the
// function without a relocation.
func IsShort(r *Ref) bool { return r != nil && r.Implicit && r.Type == relPC8 }
