package image

import "sync/atomic"

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
