package affected

import (
	"encoding/binary"
	"slices"
	"testing"
)

// TestScanner finds references in code and data, and nothing else.
func TestScanner(t *testing.T) {
	const base, function = 0xffffffff81000000, 0xffffffff81234560
	field := func(b []byte, at int, v uint64) []byte {
		binary.LittleEndian.PutUint32(b[at:], uint32(v))
		return b
	}
	for _, c := range []struct {
		name string
		code []byte // of which the last four bytes are the field
		rel  bool
		want bool
	}{
		{"call", []byte{0xe8, 0, 0, 0, 0}, true, true},
		{"jmp", []byte{0xe9, 0, 0, 0, 0}, true, true},
		{"jne", []byte{0x0f, 0x85, 0, 0, 0, 0}, true, true},
		{"lea", []byte{0x48, 0x8d, 0x3d, 0, 0, 0, 0}, true, true},
		{"add", []byte{0x48, 0x03, 0x3d, 0, 0, 0, 0}, true, false},
		{"mov", []byte{0x48, 0xc7, 0xc7, 0, 0, 0, 0}, false, true},
		{"mov to memory", []byte{0x48, 0xc7, 0x44, 0x24, 0x08, 0, 0, 0, 0}, false, true},
		{"mov to a register", []byte{0xbf, 0, 0, 0, 0}, false, true},
		{"call of a number", []byte{0xe8, 0, 0, 0, 0}, false, false},
	} {
		for _, at := range []int{8, 100, scanChunk - 3, scanChunk - 1} { // of the opcode
			b := make([]byte, scanLead+scanChunk+scanMargin+64)
			i := at + len(c.code) - 4
			v := uint64(function)
			if c.rel {
				v -= base + uint64(i) + 4
			}
			copy(b[at:], field(c.code, len(c.code)-4, v))
			change := &change{}
			s := newScanner(nil, []caller{{change: change, place: function}})
			for from := 0; from < len(b); from += scanChunk { // as the chunks of an image
				lead := min(from, scanLead)
				s.code(b[from-lead:min(from+scanChunk+scanMargin, len(b))], lead, base+uint64(from))
			}
			found := slices.ContainsFunc(s.found, func(c caller) bool { return c.place == base+uint64(i) && c.change == change })
			if found != c.want || len(s.found) > 1 {
				t.Errorf("%s at %d: found %v", c.name, at, s.found)
			}
		}
	}
	data := make([]byte, 64)
	binary.LittleEndian.PutUint64(data[24:], function)
	s := newScanner(nil, []caller{{change: &change{}, place: function}})
	if s.data(data, base); len(s.found) != 1 || s.found[0].place != base+24 {
		t.Errorf("data: %v", s.found)
	}
}

func TestSpans(t *testing.T) {
	var s spans
	for _, x := range [][2]uint64{{100, 10}, {50, 0}, {105, 20}, {200, 1}} {
		s.add(x[0], x[1])
	}
	s.sort()
	for _, c := range []struct {
		addr, size uint64
		want       bool
	}{{100, 1, true}, {99, 1, false}, {99, 2, true}, {124, 1, true}, {125, 1, false}, {125, 75, false}, {125, 76, true}, {50, 0, true}, {51, 0, false}, {0, 1000, true}, {201, 5, false}, {1 << 63, 1 << 62, false}} {
		if got := s.meets(c.addr, c.size); got != c.want {
			t.Errorf("%d+%d: %v", c.addr, c.size, got)
		}
	}
	if (&spans{}).meets(0, ^uint64(0)) {
		t.Error("nothing meets something")
	}
}
