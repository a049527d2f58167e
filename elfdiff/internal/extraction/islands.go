package extraction

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/object"
)

// A short branch out of a function reaches 127 bytes, and has no relocation:
// it was made when both ends stood in one section. In the extracted object its
// target may be anywhere, so that a jump to it, an island, is placed exactly
// where the branch leads.

// island is a jump outside of a function's own bytes.
type island struct {
	at   int64      // from the start of the function
	jump object.Ref // what it leads to
}

// islandLen is the length of jmp rel32.
const islandLen = 5

// IslandsOf returns the islands that a function needs, by place. It is false
// when they don't fit: on the function itself, or on each other.
func IslandsOf(a *object.Atom) ([]island, bool) {
	var list []island
	for i := range a.Refs {
		r := &a.Refs[i]
		if !object.IsShort(r) || r.Offset >= uint64(len(a.Bytes)) {
			continue
		}
		at := int64(r.Offset) + 1 + int64(int8(a.Bytes[r.Offset]))
		if slices.ContainsFunc(list, func(is island) bool { return is.at == at }) {
			continue
		}
		jump := *r
		jump.Addend = -4
		list = append(list, island{at, jump})
		if len(list) > 256 { // more places than one byte can reach
			return nil, false
		}
	}
	slices.SortFunc(list, func(x, y island) int { return cmp.Compare(x.at, y.at) })
	for i, is := range list {
		if is.at+islandLen > 0 && is.at < int64(a.Size) || i > 0 && list[i-1].at+islandLen > is.at {
			return nil, false
		}
	}
	return list, true
}

// withIslands adds the islands of a function to its bytes, and returns where
// the function starts then. What is between is int3.
func withIslands(code []byte, a *object.Atom, align uint64) ([]byte, uint64) {
	list, _ := IslandsOf(a)
	if len(list) == 0 {
		return code, 0
	}
	before := max(0, -list[0].at)
	if n := int64(min(max(align, 1), 4096)); before%n != 0 {
		before += n - before%n
	}
	end := max(int64(len(code)), list[len(list)-1].at+islandLen)
	out := make([]byte, before+end)
	for i := range out {
		out[i] = opInt3
	}
	copy(out[before:], code)
	for _, is := range list {
		at := out[before+is.at:]
		at[0] = opJmpRel32
		binary.LittleEndian.PutUint32(at[1:], 0)
	}
	return out, uint64(before)
}

const (
	opInt3     = 0xcc
	opJmpRel32 = 0xe9
)
