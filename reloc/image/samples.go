package image

import (
	"context"
	"encoding/binary"
	"slices"
	"sort"
	"sync"
)

// Samples are windows of the code of a file, found by their content, so that not
// every object that is searched for takes a pass over all of the text. One window
// in eight is kept, chosen by its bytes: what has one in pre has the same in run.
// It is made when it is needed first, in about the time of one pass; four bytes are
// kept for eight of text, and a mebibyte.
type Samples struct {
	mu     sync.Mutex
	taken  bool
	starts []uint32 // by hash: where its places start in at; one more at the end
	at     []uint32 // places, counted through all code
	code   []*Region
	base   []uint32 // by region of code: the place of its first byte
}

// SampleSize is the length of a window, bytes.
const SampleSize = 8

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
func newSamples(img *Image) *Samples {
	s := &Samples{}
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

// Take reads all code, twice, for counting and for keeping, unless that is done.
func (s *Samples) Take(ctx context.Context, v *View) error {
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
func (s *Samples) each(ctx context.Context, v *View, yield func(h, at uint32)) error {
	for k, r := range s.code {
		for from, more := r.Start, true; more; from += ChunkSize {
			more = r.End-from > ChunkSize
			if err := ctx.Err(); err != nil {
				return err
			}
			b, err := v.Bytes(from, min(uint64(ChunkSize+SampleSize-1), r.End-from))
			if err != nil {
				continue
			}
			at := s.base[k] + uint32(from-r.Start)
			for i := 0; i+SampleSize <= len(b) && i < ChunkSize; i++ {
				if h, ok := sampled(binary.LittleEndian.Uint64(b[i:])); ok {
					yield(h, at+uint32(i))
				}
			}
		}
	}
	return nil
}

// Addr returns the run address of a place.
func (s *Samples) Addr(at uint32) uint64 {
	k := sort.Search(len(s.base), func(k int) bool { return s.base[k] > at }) - 1
	if k < 0 {
		return 0
	}
	return s.code[k].Start + uint64(at-s.base[k])
}

// Near returns the places of the windows that may be x: those that are kept, and have
// the hash of x. ok is false where such a window is not kept.
func (s *Samples) Near(x uint64) (places []uint32, ok bool) {
	h, ok := sampled(x)
	if !ok || len(s.starts) == 0 {
		return nil, false
	}
	return s.at[s.starts[h]:s.starts[h+1]], true
}
