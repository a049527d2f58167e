package reloc

import "sync"

// A textIndex tells where in the executable memory of a file any four bytes stand.
// To search for the functions of one object takes a pass over that memory, and the
// index takes a few, and four times the memory; so it is made when many objects
// have been searched for. It finds the same places as a pass does, so that which of
// the two it is makes no difference.
type textIndex struct {
	regions []indexedRegion
	first   []uint32 // by hash, and one more: where its places start
	places  []uint32 // by hash, then address
}

// indexedRegion says which places are in a region.
type indexedRegion struct {
	addr uint64
	base uint32 // of its first byte
	size uint32
}

const (
	indexBits  = 20
	indexAfter = 8        // how many objects are searched for without
	maxIndexed = 64 << 20 // bytes of the memory
)

func hashIndex(x uint32) uint32 { return x * 0x9e3779b1 >> (32 - indexBits) }

// textSearches is what an image knows of the searches in it.
type textSearches struct {
	mu    sync.Mutex
	count int
	index *textIndex
	none  bool // it can't be had
	spare [][]uint16
}

// counters returns one for each hash of a window, all 0.
func (s *textSearches) counters() []uint16 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.spare); n > 0 {
		c := s.spare[n-1]
		s.spare = s.spare[:n-1]
		clear(c)
		return c
	}
	return make([]uint16, 1<<19)
}

// giveBack keeps counters for the next search.
func (s *textSearches) giveBack(c []uint16) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spare = append(s.spare, c)
}

// textIndex returns the index, nil as long as it does not pay, or for memory that
// may change.
func (img *Image) textIndex() *textIndex {
	if img.pieces == nil {
		return nil
	}
	s := img.text
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.count++; s.count > indexAfter && s.index == nil && !s.none {
		s.index = img.makeTextIndex()
		s.none = s.index == nil
	}
	return s.index
}

func (img *Image) makeTextIndex() *textIndex {
	x := &textIndex{first: make([]uint32, 1<<indexBits+1)}
	var which []int
	total := uint64(0)
	for i := range img.regions {
		r := &img.regions[i]
		if !r.Exec || !r.Read || r.zero {
			continue
		}
		if total += r.End - r.Start; total > maxIndexed {
			return nil
		}
		which = append(which, i)
		x.regions = append(x.regions, indexedRegion{r.Start, uint32(total - (r.End - r.Start)), uint32(r.End - r.Start)})
	}
	for k, i := range which {
		img.eachWindow(i, x.regions[k].base, func(h, _ uint32) { x.first[h+1]++ })
	}
	for h := range x.first[1:] {
		x.first[h+1] += x.first[h]
	}
	x.places = make([]uint32, x.first[1<<indexBits])
	next := make([]uint32, 1<<indexBits)
	copy(next, x.first)
	for k, i := range which {
		img.eachWindow(i, x.regions[k].base, func(h, at uint32) {
			x.places[next[h]] = at
			next[h]++
		})
	}
	return x
}

// eachWindow yields all places of region i where four bytes start, and their hash.
func (img *Image) eachWindow(i int, at uint32, yield func(h, at uint32)) {
	r := &img.regions[i]
	chunks := (r.End - r.Start + chunkSize - 1) / chunkSize
	var last uint32 // the latest bytes
	have := 0
	for k := range chunks {
		c := img.pieces.chunk(img, i, k)
		if c == nil {
			at += uint32(min(chunkSize, r.End-r.Start-k*chunkSize))
			have = 0
			continue
		}
		for _, b := range c {
			last = last>>8 | uint32(b)<<24
			if have++; have >= narrow4 {
				yield(hashIndex(last), at-(narrow4-1))
			}
			at++
		}
	}
}

// of returns the places where four bytes may stand.
func (x *textIndex) of(key uint32) []uint32 {
	h := hashIndex(key)
	return x.places[x.first[h]:x.first[h+1]]
}

// rarest returns the places of the rarer half of eight bytes, and how far behind
// their start that is.
func (x *textIndex) rarest(key uint64) (places []uint32, behind uint64) {
	lo, hi := x.of(uint32(key)), x.of(uint32(key>>32))
	if len(hi) < len(lo) {
		return hi, narrow4
	}
	return lo, 0
}

// addr returns the run address of a place.
func (x *textIndex) addr(place uint32) uint64 {
	for i := range x.regions {
		if r := &x.regions[i]; place-r.base < r.size {
			return r.addr + uint64(place-r.base)
		}
	}
	return 0
}

// lookUp does what scan does, for the windows that were added.
func (x *textIndex) lookUp(ix *index) {
	for key, list := range ix.wide {
		places, behind := x.rarest(key)
		for _, p := range places {
			x.hit(ix, list, x.addr(p)-behind, wide, key)
		}
	}
	for key, list := range ix.narrow {
		for _, p := range x.of(key) {
			x.hit(ix, list, x.addr(p), narrow4, uint64(key))
		}
	}
}

// hit adds candidates for windows that may stand at an address.
func (x *textIndex) hit(ix *index, list []anchor, at, n, key uint64) {
	m := ix.m
	b, err := m.view.bytes(at, n)
	if err != nil || n == wide && le64(b) != key || n == narrow4 && uint64(le32(b)) != key || !m.inHome(at) {
		return
	}
	for _, w := range list {
		f := &m.funcs[w.fn]
		if f.more {
			continue
		}
		start := at - uint64(w.off)
		if !m.stretchAt(f.atom, &w, start) {
			continue
		}
		if ok, starts := m.mayStart(f.atom, start); ok {
			m.addCand(f, cand{addr: start, by: BySearch, start: starts})
		}
	}
}
