package reloc

// view reads an image for one matching, so that functions are compared in place
// and nothing is read twice. It is not safe for concurrent use.
type view struct {
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

func newView(img *Image) *view {
	v := &view{img: img, pieces: img.pieces}
	if v.pieces == nil {
		v.own = make(map[uint64][]byte)
	}
	return v
}

// regionAt is Image.RegionAt, quick for accesses in two regions.
func (v *view) regionAt(addr uint64) *Region {
	if r := v.region; r != nil && addr-r.Start < r.End-r.Start {
		return r
	}
	return v.otherRegion(addr)
}

func (v *view) otherRegion(addr uint64) *Region {
	if r := v.before; r != nil && addr-r.Start < r.End-r.Start {
		v.region, v.before = v.before, v.region
		v.index, v.beforeIndex = v.beforeIndex, v.index
		return r
	}
	i := v.img.regionIndex(addr)
	if i < 0 {
		return nil
	}
	v.before, v.beforeIndex = v.region, v.index
	v.region, v.index = &v.img.regions[i], i
	return v.region
}

// bytes returns n bytes at addr, which must not be changed. It copies only
// what crosses the border of a chunk.
func (v *view) bytes(addr, n uint64) ([]byte, error) {
	r := v.regionAt(addr)
	if r == nil || !r.Read || addr+n < addr {
		return nil, unmapped(addr, n)
	}
	off := (addr - r.Start) % chunkSize
	if c := v.chunk(r, addr-off); off+n <= uint64(len(c)) && off+n >= off {
		return c[off : off+n : off+n], nil
	}
	if addr+n > r.End && v.regionAt(addr+n-1) == nil {
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

// upTo returns at most n bytes at addr: fewer where the region ends.
func (v *view) upTo(addr, n uint64) ([]byte, error) {
	if r := v.regionAt(addr); r != nil {
		n = min(n, r.End-addr)
	}
	return v.bytes(addr, n)
}

// chunk returns the chunk that starts at an address of the latest region, nil
// when it can't be read as a whole.
func (v *view) chunk(r *Region, start uint64) []byte {
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
		c = v.pieces.chunk(v.img, v.index, (start-r.Start)/chunkSize)
	} else {
		c = v.ownChunk(r, start)
	}
	v.lastBefore, v.latestOther = v.last, v.latest
	v.last, v.latest = start, c
	return c
}

func (v *view) ownChunk(r *Region, start uint64) []byte {
	c, ok := v.own[start]
	if !ok {
		c = v.img.readChunk(r, start)
		v.own[start] = c
	}
	return c
}

// word reads 8 bytes at addr, little-endian.
func (v *view) word(addr uint64) (uint64, bool) {
	b, err := v.bytes(addr, 8)
	if err != nil {
		return 0, false
	}
	return le64(b), true
}

func le64(b []byte) uint64 {
	_ = b[7]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}
