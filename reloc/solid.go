package reloc

import (
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
)

// solid yields the stretches of an atom in which linkers change nothing.
func (m *comparer) solid(a *object.Atom, yield func(lo, hi uint64)) {
	from := uint64(0)
	gap := func(lo, hi uint64) {
		if lo > from {
			yield(from, lo)
		}
		from = max(from, hi)
	}
	sites := m.sitesOf(a.ID)
	for i := range a.Refs {
		r := &a.Refs[i]
		for len(sites) > 0 && sites[0].off < r.Offset {
			gap(sites[0].off, sites[0].off+sites[0].size)
			sites = sites[1:]
		}
		before, after := uint64(0), fieldSize(r)
		if grow, ok := relaxed[r.Type]; ok {
			before, after = grow.before, after+grow.after
		}
		gap(r.Offset-min(before, r.Offset), min(r.Offset+after, a.Size))
	}
	for _, s := range sites {
		gap(s.off, s.off+s.size)
	}
	gap(a.Size, a.Size)
}

// isRigid reports whether nothing of a function is of another length in run, so that
// all its bytes outside of holes and sites are the same there.
func (m *comparer) isRigid(a *object.Atom) bool {
	for b := a.Bytes; len(b) > 0; {
		in, err := amd64.Decode(b)
		if err != nil || in.Class == amd64.Jump || in.Class == amd64.Jcc {
			return false
		}
		b = b[in.Len:]
	}
	for i := range a.Refs {
		if _, ok := relaxed[a.Refs[i].Type]; ok {
			return false
		}
	}
	return true
}

// relaxed tells how many bytes around a field linkers may rewrite.
var relaxed = map[uint32]struct{ before, after uint64 }{
	relGOTPCREL: {3, 0},
	relGOTPCX:   {3, 0},
	relREXGOT:   {3, 0},
	relTLSGD:    {4, 8},
	relTLSLD:    {3, 6},
	relTPSlot:   {3, 0},
	relDesc:     {3, 0},
	relDescCall: {0, 2},
}

// isSearchable reports whether a function has bytes to search for.
func (m *comparer) isSearchable(a *object.Atom) bool {
	return uint64(len(a.Bytes)) == a.Size && amd64.ToolNops(a.Bytes) != len(a.Bytes) && m.wellFormed(&trial{}, a) == nil
}

// fixedBytes counts the bytes of an atom that no hole owns.
func fixedBytes(a *object.Atom) int {
	n := len(a.Bytes)
	for i := range a.Refs {
		n -= int(fieldSize(&a.Refs[i]))
	}
	return max(n, 0)
}
