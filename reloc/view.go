package reloc

// view reads an image for one matching. It keeps what it has read, in chunks,
// so that functions are compared in place and nothing is read twice. It is not
// safe for concurrent use.
type view struct {
	img    *Image
	chunks map[uint64][]byte // by address >> chunkBits; nil when the whole chunk can't be read
	last   uint64            // number of the chunk in lastData
	lastOf []byte
}

const (
	chunkBits = 16
	chunkSize = 1 << chunkBits
)

func newView(img *Image) *view {
	return &view{img: img, chunks: make(map[uint64][]byte), last: ^uint64(0)}
}

// bytes returns n bytes at addr, which must not be changed. It copies only
// what crosses the border of a chunk.
func (v *view) bytes(addr, n uint64) ([]byte, error) {
	if addr+n < addr {
		return nil, &AddrError{Addr: addr, Len: int(min(n, 1<<31)), Err: ErrUnmapped}
	}
	if c, off := v.chunk(addr>>chunkBits), addr&(chunkSize-1); c != nil && off+n <= chunkSize {
		return c[off : off+n : off+n], nil
	}
	if r := v.img.RegionAt(addr); r == nil || !r.Read || n > r.End-addr && v.img.RegionAt(addr+n-1) == nil {
		return nil, &AddrError{Addr: addr, Len: int(min(n, 1<<31)), Err: ErrUnmapped}
	}
	b := make([]byte, n)
	for at := addr; at < addr+n; {
		next := min(at|(chunkSize-1), addr+n-1) + 1
		part := b[at-addr : next-addr]
		if c := v.chunk(at >> chunkBits); c != nil {
			copy(part, c[at&(chunkSize-1):])
		} else if err := v.img.ReadAddr(part, at); err != nil {
			return nil, err
		}
		at = next
	}
	return b, nil
}

// upTo returns at most n bytes at addr: fewer where the region ends.
func (v *view) upTo(addr, n uint64) ([]byte, error) {
	if r := v.img.RegionAt(addr); r != nil {
		n = min(n, r.End-addr)
	}
	return v.bytes(addr, n)
}

// chunk returns a chunk that lies within one region as a whole, or nil.
func (v *view) chunk(i uint64) []byte {
	if i == v.last {
		return v.lastOf
	}
	c, ok := v.chunks[i]
	if !ok {
		start := i << chunkBits
		if r := v.img.RegionAt(start); r != nil && r.Read && !r.zero && r.End-start >= chunkSize {
			c = make([]byte, chunkSize)
			if v.img.ReadAddr(c, start) != nil {
				c = nil
			}
		}
		v.chunks[i] = c
	}
	v.last, v.lastOf = i, c
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
