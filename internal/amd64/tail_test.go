package amd64

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestPCRelTail compares all opcodes of all maps, with prefixes and behind bytes
// that look like a part of them, with what Decode finds.
func TestPCRelTail(t *testing.T) {
	prefixes := []string{
		"", "\x48", "\x66", "\x66\x48", "\x66\x2e\x41", "\xf2", "\xf3\x48", "\xf0", "\x65\x48", "\x67",
	}
	escapes := []string{"", "\x0f", "\x0f\x38", "\x0f\x3a", "\xc5\xf8", "\xc5\x7d", "\xc4\xe1\x78", "\xc4\xe2\x7d", "\xc4\xe3\x7d",
		"\x62\xf1\x7c\x48", "\x62\xf2\x7d\x48", "\x62\xf3\x7d\x48", "\x8f\xe8\x78", "\x8f\xe9\x78"}
	before := []string{"", "\x90", "\x0f", "\x66", "\x0f\x66", "\xc5\x00", "\xc4\x00", "\x62\x00\x00", "\x0f\x38", "\x66\x48", "\x00\x0f"}
	var got, all int
	for _, p := range prefixes {
		for _, e := range escapes {
			for op := range 256 {
				for reg := range 8 {
					code := []byte(p + e)
					code = append(code, byte(op), byte(5|reg<<3))
					field := len(code)
					code = append(code, bytes.Repeat([]byte{0}, 12)...)
					in, err := Decode(code)
					if err != nil || in.PCRelLen != 4 {
						continue
					}
					for _, pre := range before {
						f, ok := PCRelTail([]byte(pre+string(code)), len(pre)+int(in.PCRelOff))
						all++
						if !ok {
							continue
						}
						got++
						want := PCRelField{Tail: int(in.Len - in.PCRelOff)}
						if in.IsRIPRelative() {
							want.Operand, want.Op = true, byte(op)
						}
						if f != want {
							t.Fatalf("% x behind % x: %+v, want %+v", code[:field], pre, f, want)
						}
					}
				}
			}
		}
	}
	if got < all/8 {
		t.Errorf("%d of %d are told", got, all)
	}
	for _, b := range []string{"\xe8", "\xe9", "\x0f\x84", "\xf3\x0f\x8f"} {
		if f, ok := PCRelTail([]byte(b), len(b)); f != (PCRelField{Tail: 4}) || !ok {
			t.Errorf("% x: %+v, %v", b, f, ok)
		}
	}
	for off := -1; off < 4; off++ {
		if _, ok := PCRelTail([]byte{0x05, 0x05}, off); ok {
			t.Errorf("told from nothing at %d", off)
		}
	}
}

// TestMayLeave decodes random code from every offset: whatever leads out of it has
// to be announced.
func TestMayLeave(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	leads, quiet := 0, 0
	for range 200_000 {
		code := make([]byte, 1+rnd.IntN(40))
		for i := range code {
			code[i] = byte(rnd.Uint32())
			if rnd.IntN(3) == 0 { // small displacements
				code[i] = 0
			}
		}
		out := false
		for at := range code {
			in, err := Decode(code[at:])
			if err != nil || in.PCRelLen == 0 {
				continue
			}
			to := in.PCRel(code[at:], uint64(at))
			out = out || to >= uint64(len(code))
		}
		may := MayLeave(code)
		if out && !may {
			t.Fatalf("% x leads out of itself", code)
		}
		if out {
			leads++
		} else if !may {
			quiet++
		}
	}
	if leads < 1000 || quiet < 1000 {
		t.Errorf("%d lead out, of %d it is known that they don't", leads, quiet)
	}
}
