package reloc

// view reads an image for one matching. It keeps what it has read, in chunks,
// so that functions are compared in place and nothing is read twice. It is not
// safe for concurrent use.
type view struct {
	img    *Image
	region *Region // of the latest access
	chunks map[uint64][]byte
	last   uint64 // address of the chunk in latest
	latest []byte
}

// chunkSize is the length of the chunks that regions are read in, from their
// start; the last one of a region may be shorter.
const chunkSize = 64 << 10

func newView(img *Image) *view {
	return &view{img: img, chunks: make(map[uint64][]byte)}
}

// regionAt is Image.RegionAt, quick for accesses in one region.
func (v *view) regionAt(addr uint64) *Region {
	if r := v.region; r != nil && addr >= r.Start && addr < r.End {
		return r
	}
	r := v.img.RegionAt(addr)
	if r != nil {
		v.region = r
	}
	return r
}

// bytes returns n bytes at addr, which must not be changed. It copies only
// what crosses the border of a chunk.
func (v *view) bytes(addr, n uint64) ([]byte, error) {
	r := v.regionAt(addr)
	if r == nil || !r.Read || addr+n < addr || addr+n > r.End && v.regionAt(addr+n-1) == nil {
		return nil, &AddrError{Addr: addr, Len: int(min(n, 1<<31)), Err: ErrUnmapped}
	}
	start := addr - (addr-r.Start)%chunkSize
	if c := v.chunk(r, start); addr-start+n <= uint64(len(c)) {
		return c[addr-start : addr-start+n : addr-start+n], nil
	}
	b := make([]byte, n)
	if err := v.img.ReadAddr(b, addr); err != nil {
		return nil, err
	}
	return b, nil
}

// upTo returns at most n bytes at addr: fewer where the region ends.
func (v *view) upTo(addr, n uint64) ([]byte, error) {
	if r := v.regionAt(addr); r != nil {
		n = min(n, r.End-addr)
	}
	return v.bytes(addr, n)
}

// chunk returns the chunk of a region that starts at an address, nil when it
// can't be read as a whole. What a file only claims to have is not kept.
func (v *view) chunk(r *Region, start uint64) []byte {
	if start == v.last && v.latest != nil {
		return v.latest
	}
	c, ok := v.chunks[start]
	if !ok {
		if !r.zero {
			c = make([]byte, min(chunkSize, r.End-start))
			if v.img.ReadAddr(c, start) != nil {
				c = nil
			}
		}
		v.chunks[start] = c
	}
	v.last, v.latest = start, c
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
