package prove

import "testing"

func TestBranchAt(t *testing.T) {
	for _, c := range []struct {
		name      string
		code      []byte
		field     uint64
		off, size uint64
		ok        bool
	}{
		{"call", []byte{0x90, 0xe8, 0, 0, 0, 0}, 2, 1, 5, true},
		{"jump", []byte{0xe9, 0, 0, 0, 0}, 1, 0, 5, true},
		{"conditional jump", []byte{0x90, 0x0f, 0x84, 0, 0, 0, 0}, 3, 1, 6, true},
		{"call with a prefix", []byte{0x90, 0x2e, 0xe8, 0, 0, 0, 0}, 3, 1, 6, true},
		{"conditional jump with a prefix", []byte{0x2e, 0x0f, 0x84, 0, 0, 0, 0}, 3, 0, 7, true},
		{"behind a short jump by 0x2e bytes", []byte{0x76, 0x2e, 0xe9, 0, 0, 0, 0}, 3, 2, 5, true},
		{"behind a constant that ends so", []byte{0xb8, 0, 0, 0, 0x2e, 0x2e, 0xe9, 0, 0, 0, 0}, 7, 5, 6, true},
		{"behind a constant, without a prefix", []byte{0xb8, 0, 0, 0, 0x2e, 0xe9, 0, 0, 0, 0}, 6, 5, 5, true},
		{"no branch", []byte{0x48, 0x8b, 0x05, 0, 0, 0, 0}, 3, 0, 0, false},
		{"displacement at the start", []byte{0, 0, 0, 0}, 0, 0, 0, false},
		{"beyond the code", []byte{0xe9}, 9, 0, 0, false},
	} {
		off, size, ok := branchAt(c.code, c.field)
		if off != c.off || size != c.size || ok != c.ok {
			t.Errorf("%s: %d bytes at %d, %v; want %d at %d, %v", c.name, size, off, ok, c.size, c.off, c.ok)
		}
	}
}
