package amd64

import "testing"

func TestEndbrLen(t *testing.T) {
	for _, c := range []struct {
		code   string
		n      int
		sealed bool
	}{
		{"\xf3\x0f\x1e\xfa", 4, false}, {"\xf3\x0f\x1e\xfa\x90", 4, false}, {"\x66\x0f\x1f\x00", 4, true}, {"\x0f\x1f\x40\xd6", 4, true},
		{"\x0f\x1f\x40\xd6\xe8", 4, false}, {"\xf3\x0f\x1e", 0, false}, {"", 0, false}, {"\xf3\x0f\x1e\xfb\x90", 0, false}, {"\x0f\x1f\x40\x00\xe8", 0, false},
	} {
		if n, is := EndbrLen([]byte(c.code)), IsSealed([]byte(c.code)); n != c.n || is != c.sealed {
			t.Errorf("% x: %d, %v, want %d, %v", c.code, n, is, c.n, c.sealed)
		}
	}
}
