package reloc

import (
	"encoding/binary"

	"github.com/gosplice/gosplice/reloc/image"
)

// lookUp finds candidates for a function by its rarest sample. It reports whether
// there is one.
func (m *solver) lookUp(i int32) bool {
	f := &m.funcs[i]
	s := m.c.Image.Samples()
	var best anchor
	var list []uint32
	found := false
	m.c.Solid(f.atom, func(lo, hi uint64) {
		for off := lo; off+image.SampleSize <= hi; off++ {
			places, ok := s.Near(binary.LittleEndian.Uint64(f.atom.Bytes[off:]))
			if !ok {
				continue
			}
			if !found || len(places) < len(list) {
				found, list = true, places
				best = anchor{fn: i, off: uint32(off), lo: uint32(max(lo, off-min(off, stretch/2))), hi: uint32(min(hi, off+stretch/2))}
			}
		}
	})
	if !found {
		return false
	}
	best.rigid = f.atom.Size <= maxRigid && m.c.IsRigid(f.atom)
	for _, at := range list {
		addr := s.Addr(at) - uint64(best.off)
		if !m.inHome(addr) {
			continue
		}
		if !m.stretchAt(f.atom, &best, addr) {
			continue
		}
		if best.rigid {
			if b, err := m.c.View.Bytes(addr, f.atom.Size); err != nil || !m.c.EqualOutside(f.atom, b) {
				continue
			}
		}
		if ok, start := m.mayStart(f.atom, addr); ok {
			m.addCand(f, cand{addr: addr, by: BySearch, start: start})
		}
	}
	return true
}
