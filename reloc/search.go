package reloc

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/reloc/image"
)

// anchor is the part of a function that is searched for: a window of a few
// bytes without holes, in a stretch without holes.
type anchor struct {
	fn     int32
	off    uint32 // of the window
	lo, hi uint32 // of the stretch around it that is compared first
	rigid  bool   // all of the function is compared; see Comparer.IsRigid
}

const (
	narrow4 = 4   // of the window of a function that has no wide one
	stretch = 128 // most bytes that are compared first

	maxRigid = 256 // bytes of a function that is compared as a whole
)

// index is the set of windows that one pass over the text looks for.
type index struct {
	m      *solver
	wide   map[uint64][]anchor
	narrow map[uint32][]anchor
	bloom  [1 << 13]uint64 // of wide windows, by hash
	bloom4 [1 << 13]uint64
}

func hash64(x uint64) uint32 { return uint32(x * 0x9e3779b97f4a7c15 >> 45) } // 19 bits
func hash32(x uint32) uint32 { return x * 0x9e3779b1 >> 13 }

// search looks for the functions of which no symbol tells anything, by the samples
// of a file. Those that have none are left: what is found tells where most of them
// are.
func (m *solver) search() error {
	if m.c.Image.Samples() == nil {
		if m.told != nil && m.told.early && !m.c.NoSymbols {
			return nil // others may tell
		}
		return m.scan()
	}
	for i := range m.funcs {
		f := &m.funcs[i]
		if !f.open || len(f.cands) > 0 {
			continue
		}
		if err := m.c.Image.Samples().Take(m.ctx, m.c.View); err != nil {
			return err
		}
		if f.small = !m.c.IsSearchable(f.atom) || !m.lookUp(int32(i)); !f.small {
			m.queue(int32(i))
		}
	}
	return nil
}

// scan looks for the functions that still have no place: one pass over the
// executable memory for all of them.
func (m *solver) scan() error {
	ix := &index{m: m, wide: make(map[uint64][]anchor), narrow: make(map[uint32][]anchor)}
	var freq []uint16
	for i := range m.funcs {
		f := &m.funcs[i]
		if !f.open || len(f.cands) > 0 {
			continue
		}
		if freq == nil {
			freq = m.frequencies()
		}
		f.small = !ix.add(int32(i), f.atom, freq)
		m.queue(int32(i))
	}
	if len(ix.wide)+len(ix.narrow) == 0 {
		return nil
	}
	for i := range m.c.Image.Regions() {
		r := &m.c.Image.Regions()[i]
		if !r.Exec || !r.Read || !m.inHome(r.Start) {
			continue
		}
		for at, more := r.Start, true; more; at += image.ChunkSize {
			more = r.End-at > image.ChunkSize
			if err := m.ctx.Err(); err != nil {
				return err
			}
			n := min(uint64(image.ChunkSize+image.SampleSize-1), r.End-at)
			if b, err := m.c.View.Bytes(at, n); err == nil {
				ix.scan(b, at, n == r.End-at)
			}
		}
	}
	return nil
}

// frequencies counts how often windows occur in pre, by hash: one that is
// common in pre (a prologue) will be common in run.
func (m *solver) frequencies() []uint16 {
	freq := make([]uint16, 1<<19)
	for i := range m.funcs {
		b := m.funcs[i].atom.Bytes
		for ; len(b) >= image.SampleSize; b = b[1:] {
			if h := hash64(binary.LittleEndian.Uint64(b)); freq[h] < 1<<16-1 {
				freq[h]++
			}
		}
	}
	return freq
}

// add picks the rarest window of a function. It returns false when there is
// none.
func (ix *index) add(i int32, a *object.Atom, freq []uint16) bool {
	if !ix.m.c.IsSearchable(a) {
		return false
	}
	best, count := anchor{}, -1
	short := anchor{}
	ix.m.c.Solid(a, func(lo, hi uint64) {
		for off := lo; off+image.SampleSize <= hi; off++ {
			c := int(freq[hash64(binary.LittleEndian.Uint64(a.Bytes[off:]))])
			if off < 16 {
				c += 2 // a redirection or a breakpoint would stand there
			}
			if count < 0 || c < count {
				best, count = anchor{fn: i, off: uint32(off), lo: uint32(max(lo, off-min(off, stretch/2))), hi: uint32(min(hi, off+stretch/2))}, c
			}
		}
		if hi-lo >= narrow4 && short.hi == 0 {
			short = anchor{fn: i, off: uint32(lo), lo: uint32(lo), hi: uint32(hi)}
		}
	})
	best.rigid = a.Size <= maxRigid && ix.m.c.IsRigid(a)
	short.rigid = best.rigid
	switch {
	case count >= 0:
		k := binary.LittleEndian.Uint64(a.Bytes[best.off:])
		ix.wide[k] = append(ix.wide[k], best)
		h := hash64(k)
		ix.bloom[h>>6] |= 1 << (h & 63)
	case short.hi > 0:
		k := binary.LittleEndian.Uint32(a.Bytes[short.off:])
		ix.narrow[k] = append(ix.narrow[k], short)
		h := hash32(k)
		ix.bloom4[h>>6] |= 1 << (h & 63)
	default:
		return false
	}
	return true
}

// scan looks at the windows that start in b, the memory at addr. Unless it is
// the end of a region, windows that do not fit start in the next piece.
func (ix *index) scan(b []byte, addr uint64, last bool) {
	n := len(b)
	if !last {
		n -= image.SampleSize - 1
	}
	if len(ix.wide) > 0 {
		for i := 0; i < n && i+image.SampleSize <= len(b); i++ {
			x := binary.LittleEndian.Uint64(b[i:])
			if h := hash64(x); ix.bloom[h>>6]>>(h&63)&1 != 0 {
				if list, ok := ix.wide[x]; ok && ix.hit(list, b, i, addr) {
					delete(ix.wide, x)
				}
			}
		}
	}
	if len(ix.narrow) > 0 {
		for i := 0; i < n && i+narrow4 <= len(b); i++ {
			x := binary.LittleEndian.Uint32(b[i:])
			if h := hash32(x); ix.bloom4[h>>6]>>(h&63)&1 != 0 {
				if list, ok := ix.narrow[x]; ok && ix.hit(list, b, i, addr) {
					delete(ix.narrow, x)
				}
			}
		}
	}
}

// hit adds candidates for a window found at b[i]. It returns whether none of
// its functions can take any more.
func (ix *index) hit(list []anchor, b []byte, i int, addr uint64) (full bool) {
	full = true
	for _, w := range list {
		f := &ix.m.funcs[w.fn]
		if f.more {
			continue
		}
		full = false
		at := addr + uint64(i) - uint64(w.off)
		if start := i - int(w.off-w.lo); start >= 0 && start+int(w.hi-w.lo) <= len(b) {
			if !bytes.Equal(b[start:start+int(w.hi-w.lo)], f.atom.Bytes[w.lo:w.hi]) {
				continue
			}
		} else if !ix.m.stretchAt(f.atom, &w, at) {
			continue
		}
		if first := i - int(w.off); w.rigid && first >= 0 && first+int(f.atom.Size) <= len(b) && !ix.m.c.EqualOutside(f.atom, b[first:first+int(f.atom.Size)]) {
			continue
		}
		if ok, start := ix.m.mayStart(f.atom, at); ok {
			ix.m.addCand(f, cand{addr: at, by: BySearch, start: start})
		}
	}
	return full
}

// stretchAt reports whether the stretch of an anchor stands where it would with the
// function at an address.
func (m *solver) stretchAt(a *object.Atom, w *anchor, addr uint64) bool {
	b, err := m.c.View.Bytes(addr+uint64(w.lo), uint64(w.hi-w.lo))
	return err == nil && bytes.Equal(b, a.Bytes[w.lo:w.hi])
}

// mayStart reports whether a function may start at an address that was found
// by search: it must be aligned as its section demands, and when both sides
// have unwinding records, one must start there. start says that one does.
func (m *solver) mayStart(a *object.Atom, addr uint64) (ok, start bool) {
	if align := m.c.Pre.File.Sections[a.Section].Addralign; align > 1 && align&(align-1) == 0 && (addr-a.Offset)&(align-1) != 0 {
		return false, false
	}
	_, i := m.c.Image.ModuleAt(addr)
	if i == image.NoModule {
		return false, false
	}
	if !m.c.Image.HasTables(i) || !m.unwindable()[a.ID] {
		return true, false
	}
	starts := m.c.Image.UnwindStarts(i)
	if len(starts) == 0 {
		return true, false
	}
	_, start = slices.BinarySearch(starts, addr)
	return start, true
}

// unwindable returns the functions of pre that unwinding records describe.
func (m *solver) unwindable() map[object.AtomID]bool {
	if m.described == nil {
		m.described = make(map[object.AtomID]bool)
		for i := range m.c.Pre.Atoms {
			if a := &m.c.Pre.Atoms[i]; a.Kind == object.Unwind && a.Owner != object.NoAtom {
				m.described[a.Owner] = true
			}
		}
	}
	return m.described
}
