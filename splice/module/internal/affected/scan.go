package affected

import "encoding/binary"

// scanner looks for references to functions in bytes.
type scanner struct {
	in *Code
	by map[uint64]*change // the functions, by address
	// low holds the lower halves of the addresses of the functions, a bit each: most
	// words need no look at the map.
	low   [1 << 10]uint64
	found []caller
}

// An image is looked at chunk by chunk, bytes: what stands in front of a field says
// what it is, and fields reach over the end of a chunk.
const (
	scanChunk  = 1 << 20
	scanLead   = 8
	scanMargin = 8
)

func newScanner(t *Code, functions []caller) *scanner {
	s := &scanner{in: t, by: map[uint64]*change{}}
	for _, c := range functions {
		if c.in == t {
			s.by[c.place] = c.change
			s.low[c.place>>6&(1<<10-1)] |= 1 << (c.place & 63)
		}
	}
	return s
}

// may reports whether a number can be the lower half of an address that is looked for.
func (s *scanner) may(v uint32) bool { return s.low[v>>6&(1<<10-1)]>>(v&63)&1 != 0 }

// data looks at words of eight bytes, where pointers are.
func (s *scanner) data(b []byte, addr uint64) {
	for i := 0; i < scanChunk && i+8 <= len(b); i += 8 {
		if v := binary.LittleEndian.Uint64(b[i:]); s.may(uint32(v)) && s.by[v] != nil {
			s.note(s.by[v], addr+uint64(i))
		}
	}
}

// code looks at every place behind the lead for a field of four bytes.
func (s *scanner) code(b []byte, lead int, addr uint64) {
	for i := lead; i < lead+scanChunk && i+4 <= len(b); i++ {
		v := binary.LittleEndian.Uint32(b[i:])
		place := addr + uint64(i-lead)
		to := place + 4 + uint64(int64(int32(v)))
		if s.may(uint32(to)) && s.by[to] != nil && distance(b[:i]) {
			s.note(s.by[to], place)
		}
		if number := uint64(int64(int32(v))); s.may(v) && s.by[number] != nil && moved(b[:i]) {
			s.note(s.by[number], place)
		}
	}
}

func (s *scanner) note(c *change, place uint64) {
	s.found = append(s.found, caller{change: c, in: s.in, place: place})
}

// distance reports whether what stands in front of a field makes it a distance from
// its end: call, jmp, jcc, or lea relative to %rip (Intel SDM, volume 2).
func distance(b []byte) bool {
	n := len(b)
	if n < 2 {
		return false
	}
	x, y := b[n-2], b[n-1]
	return y&^1 == 0xe8 || x == 0x0f && y&0xf0 == 0x80 || x == 0x8d && y&0xc7 == 0x05
}

// moved reports whether what stands in front of a field can make it a number that is
// moved, pushed or compared: it is kept as the address of a function.
func moved(b []byte) bool {
	n := len(b)
	if n == 0 {
		return false
	}
	if y := b[n-1]; y&^7 == 0xb8 || y == 0x68 || y == 0x3d { // mov, push, cmp
		return true
	}
	for k := 2; k <= 6 && k <= n; k++ { // in front of ModRM, SIB and a displacement
		if op := b[n-k]; op == 0xc7 || op == 0x81 { // mov, cmp
			return true
		}
	}
	return false
}
