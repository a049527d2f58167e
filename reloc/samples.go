package reloc

import (
	"context"
	"slices"
	"sort"
	"sync"
)

// samples are windows of the code of a file, found by their content, so that not
// every object that is searched for takes a pass over all of the text. One window
// in eight is kept, chosen by its bytes: what has one in pre has the same in run.
// It is made when it is needed first, in about the time of one pass; four bytes are
// kept for eight of text, and a mebibyte.
type samples struct {
	mu     sync.Mutex
	taken  bool
	starts []uint32 // by hash: where its places start in at; one more at the end
	at     []uint32 // places, counted through all code
	code   []*Region
	base   []uint32 // by region of code: the place of its first byte
}

const (
	sampleMul  = 0x9e3779b97f4a7c15
	sampleBits = 18
	// maxSampled bounds the code of which samples are taken.
	maxSampled = 1 << 30
)

// sampled returns the hash of a window, and whether it is one that is kept.
func sampled(x uint64) (h uint32, ok bool) {
	p := x * sampleMul
	return uint32(p >> (64 - sampleBits)), p>>40&7 == 0 && x != 0 && x != 0xcccccccccccccccc
}

// newSamples returns the samples of a file's code, which are not taken yet; nil
// where there is too much of it.
func newSamples(img *Image) *samples {
	s := &samples{}
	total := uint64(0)
	for i := range img.regions {
		if r := &img.regions[i]; r.Exec && r.Read && !r.zero {
			s.code, s.base = append(s.code, r), append(s.base, uint32(total))
			if total += r.End - r.Start; total > maxSampled {
				return nil
			}
		}
	}
	return s
}

// take reads all code, twice, for counting and for keeping, unless that is done.
func (s *samples) take(ctx context.Context, v *view) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken {
		return nil
	}
	starts := make([]uint32, 1<<sampleBits+1)
	if err := s.each(ctx, v, func(h, _ uint32) { starts[h+1]++ }); err != nil {
		return err
	}
	for h := 1; h < len(starts); h++ {
		starts[h] += starts[h-1]
	}
	at, next := make([]uint32, starts[len(starts)-1]), slices.Clone(starts)
	err := s.each(ctx, v, func(h, place uint32) {
		at[next[h]] = place
		next[h]++
	})
	if err != nil {
		return err
	}
	s.starts, s.at, s.taken = starts, at, true
	return nil
}

// each yields the windows of all code that are kept, by place.
func (s *samples) each(ctx context.Context, v *view, yield func(h, at uint32)) error {
	for k, r := range s.code {
		for from, more := r.Start, true; more; from += chunkSize {
			more = r.End-from > chunkSize
			if err := ctx.Err(); err != nil {
				return err
			}
			b, err := v.bytes(from, min(uint64(chunkSize+wide-1), r.End-from))
			if err != nil {
				continue
			}
			at := s.base[k] + uint32(from-r.Start)
			for i := 0; i+wide <= len(b) && i < chunkSize; i++ {
				if h, ok := sampled(le64(b[i:])); ok {
					yield(h, at+uint32(i))
				}
			}
		}
	}
	return nil
}

// addr returns the run address of a place.
func (s *samples) addr(at uint32) uint64 {
	k := sort.Search(len(s.base), func(k int) bool { return s.base[k] > at }) - 1
	return s.code[k].Start + uint64(at-s.base[k])
}

// lookUp finds candidates for a function by its rarest sample. It reports whether
// there is one.
func (m *matcher) lookUp(i int32) bool {
	f := &m.funcs[i]
	s := m.img.samples
	var best anchor
	var list []uint32
	found := false
	m.solid(f.atom, func(lo, hi uint64) {
		for off := lo; off+wide <= hi; off++ {
			h, ok := sampled(le64(f.atom.Bytes[off:]))
			if !ok {
				continue
			}
			places := s.at[s.starts[h]:s.starts[h+1]]
			if !found || len(places) < len(list) {
				found, list = true, places
				best = anchor{fn: i, off: uint32(off), lo: uint32(max(lo, off-min(off, stretch/2))), hi: uint32(min(hi, off+stretch/2))}
			}
		}
	})
	if !found {
		return false
	}
	best.rigid = f.atom.Size <= maxRigid && m.isRigid(f.atom)
	for _, at := range list {
		addr := s.addr(at) - uint64(best.off)
		if !m.inHome(addr) {
			continue
		}
		if !m.stretchAt(f.atom, &best, addr) {
			continue
		}
		if best.rigid {
			if b, err := m.view.bytes(addr, f.atom.Size); err != nil || !m.equalOutside(f.atom, b) {
				continue
			}
		}
		if ok, start := m.mayStart(f.atom, addr); ok {
			m.addCand(f, cand{addr: addr, by: BySearch, start: start})
		}
	}
	return true
}
