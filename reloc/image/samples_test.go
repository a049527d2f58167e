package image

import (
	"encoding/binary"
	"os"
	"testing"
)

// TestSamples takes the samples of this program: each is where it is said to be.
func TestSamples(t *testing.T) {
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	img, err := OpenELF(path)
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	s := img.samples
	if err := s.Take(t.Context(), NewView(img)); err != nil {
		t.Fatal(err)
	}
	if len(s.at) < 1000 {
		t.Errorf("%d samples", len(s.at))
	}
	for h := range s.starts[:len(s.starts)-1] {
		for _, at := range s.at[s.starts[h]:s.starts[h+1]] {
			var b [SampleSize]byte
			if err := img.ReadAddr(b[:], s.Addr(at)); err != nil {
				t.Fatal(err)
			}
			if got, ok := sampled(binary.LittleEndian.Uint64(b[:])); !ok || got != uint32(h) {
				t.Fatalf("%#x: %x is not of hash %#x", s.Addr(at), b, h)
			}
		}
	}
}
