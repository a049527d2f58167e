package prove

import (
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
)

// Solid yields the stretches of an atom in which linkers change nothing.
func (m *Comparer) Solid(a *object.Atom, yield func(lo, hi uint64)) {
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
		for len(sites) > 0 && sites[0].Off < r.Offset {
			gap(sites[0].Off, sites[0].Off+sites[0].Size)
			sites = sites[1:]
		}
		before, after := uint64(0), FieldSize(r)
		if grow, ok := relaxed[r.Type]; ok {
			before, after = grow.before, after+grow.after
		}
		gap(r.Offset-min(before, r.Offset), min(r.Offset+after, a.Size))
	}
	for _, s := range sites {
		gap(s.Off, s.Off+s.Size)
	}
	gap(a.Size, a.Size)
}

// IsRigid reports whether nothing of a function is of another length in run, so that
// all its bytes outside of holes and sites are the same there.
func (m *Comparer) IsRigid(a *object.Atom) bool {
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

// IsSearchable reports whether a function has bytes to search for.
func (m *Comparer) IsSearchable(a *object.Atom) bool {
	return uint64(len(a.Bytes)) == a.Size && amd64.ToolNops(a.Bytes) != len(a.Bytes) && m.wellFormed(&Trial{}, a) == nil
}

// FixedBytes counts the bytes of an atom that no hole owns.
func FixedBytes(a *object.Atom) int {
	n := len(a.Bytes)
	for i := range a.Refs {
		n -= int(FieldSize(&a.Refs[i]))
	}
	return max(n, 0)
}
