package image

import (
	"encoding/binary"
	"sync/atomic"
)

// A View reads an image in chunks and keeps them, so that what was read is looked at in
// place, and nothing is read twice. It is not safe for concurrent use: each goroutine has
// its own, and those of a file share what was read.
type View struct {
	img *Image
	// region is that of the latest access, index its place, before the one of
	// the access before it: code and what it refers to take turns.
	region, before      *Region
	index, beforeIndex  int
	last, lastBefore    uint64 // addresses of chunks: the latest two
	latest, latestOther []byte
	// pieces are those of the image, or nil: what runs may change, so that
	// each view has its own.
	pieces *pieces
	own    map[uint64][]byte
}

// NewView returns a view of an image, which has read nothing yet. Of memory that may
// change it shows what was there when it was read first.
func NewView(img *Image) *View {
	if img == nil {
		img = new(Image)
	}
	v := &View{img: img, pieces: img.pieces}
	if v.pieces == nil {
		v.own = make(map[uint64][]byte)
	}
	return v
}

// RegionAt is [Image.RegionAt], quick for accesses that take turns in two regions.
func (v *View) RegionAt(addr uint64) *Region {
	if r := v.region; r != nil && addr-r.Start < r.End-r.Start {
		return r
	}
	return v.otherRegion(addr)
}

func (v *View) otherRegion(addr uint64) *Region {
	if r := v.before; r != nil && addr-r.Start < r.End-r.Start {
		v.region, v.before = v.before, v.region
		v.index, v.beforeIndex = v.beforeIndex, v.index
		return r
	}
	if v.img == nil {
		return nil
	}
	i := v.img.regionIndex(addr)
	if i < 0 {
		return nil
	}
	v.before, v.beforeIndex = v.region, v.index
	v.region, v.index = &v.img.regions[i], i
	return v.region
}

// Bytes returns n bytes at addr, which must not be changed. It copies only what crosses
// the border of a chunk. The error is or wraps an [*AddrError].
func (v *View) Bytes(addr, n uint64) ([]byte, error) {
	r := v.RegionAt(addr)
	if r == nil || !r.Read || addr+n < addr {
		return nil, unmapped(addr, n)
	}
	off := (addr - r.Start) % ChunkSize
	if c := v.chunk(r, addr-off); off+n <= uint64(len(c)) && off+n >= off {
		return c[off : off+n : off+n], nil
	}
	if addr+n > r.End && v.RegionAt(addr+n-1) == nil {
		return nil, unmapped(addr, n)
	}
	b := make([]byte, n)
	if err := v.img.ReadAddr(b, addr); err != nil {
		return nil, err
	}
	return b, nil
}

func unmapped(addr, n uint64) error {
	return &AddrError{Addr: addr, Len: int(min(n, 1<<31)), Err: ErrUnmapped}
}

// UpTo returns at most n bytes at addr: fewer where the region ends.
func (v *View) UpTo(addr, n uint64) ([]byte, error) {
	if r := v.RegionAt(addr); r != nil {
		n = min(n, r.End-addr)
	}
	return v.Bytes(addr, n)
}

// chunk returns the chunk that starts at an address of the latest region, nil
// when it can't be read as a whole.
func (v *View) chunk(r *Region, start uint64) []byte {
	switch {
	case start == v.last && v.latest != nil:
		return v.latest
	case start == v.lastBefore && v.latestOther != nil:
		v.last, v.lastBefore = v.lastBefore, v.last
		v.latest, v.latestOther = v.latestOther, v.latest
		return v.latest
	}
	var c []byte
	if v.pieces != nil {
		c = v.pieces.chunk(v.img, v.index, (start-r.Start)/ChunkSize)
	} else {
		c = v.ownChunk(r, start)
	}
	v.lastBefore, v.latestOther = v.last, v.latest
	v.last, v.latest = start, c
	return c
}

func (v *View) ownChunk(r *Region, start uint64) []byte {
	c, ok := v.own[start]
	if !ok {
		c = v.img.readChunk(r, start)
		v.own[start] = c
	}
	return c
}

// Word reads 8 bytes at addr, little-endian.
func (v *View) Word(addr uint64) (uint64, bool) {
	b, err := v.Bytes(addr, 8)
	if err != nil {
		return 0, false
	}
	return binary.LittleEndian.Uint64(b), true
}

// ChunkSize is the length of the chunks that regions are read in, from their
// start; the last one of a region may be shorter.
const ChunkSize = 64 << 10

// pieces is what of an image has been read, in chunks. Those of an image that
// nothing writes to are shared by all that is matched with it. It is safe for
// concurrent use: who comes second to read a chunk uses that of the first.
type pieces struct {
	regions []atomic.Pointer[chunks] // by region
}

// chunks are those of one region. One that can't be read is there, and empty.
type chunks []atomic.Pointer[[]byte]

// newPieces is for an image of a file of size bytes. It returns nil when the file
// claims to have more than that, as one whose segments share their content does:
// what it costs to keep all of that has to be bounded.
func newPieces(regions []Region, size uint64) *pieces {
	if size == 0 {
		return nil
	}
	for i := range regions {
		if r := &regions[i]; !r.zero {
			n := r.End - r.Start
			if n > size {
				return nil
			}
			size -= n
		}
	}
	return &pieces{make([]atomic.Pointer[chunks], len(regions))}
}

// chunk returns chunk k of region i, nil when it can't be read as a whole.
func (p *pieces) chunk(img *Image, i int, k uint64) []byte {
	r := &img.regions[i]
	if r.zero { // a list of its chunks could be far larger than the file
		return nil
	}
	list := p.regions[i].Load()
	if list == nil {
		fresh := make(chunks, (r.End-r.Start+ChunkSize-1)/ChunkSize)
		if list = &fresh; !p.regions[i].CompareAndSwap(nil, list) {
			list = p.regions[i].Load()
		}
	}
	slot := &(*list)[k]
	if c := slot.Load(); c != nil {
		return *c
	}
	c := img.readChunk(r, r.Start+k*ChunkSize)
	if !slot.CompareAndSwap(nil, &c) {
		c = *slot.Load()
	}
	return c
}

// readChunk reads the chunk of a region that starts at an address. What a file
// only claims to have is not kept.
func (img *Image) readChunk(r *Region, start uint64) []byte {
	c := make([]byte, min(ChunkSize, r.End-start))
	if img.ReadAddr(c, start) != nil {
		return nil
	}
	return c
}
