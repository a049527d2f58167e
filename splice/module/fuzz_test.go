package module

import (
	"testing"

	"github.com/gosplice/gosplice/internal/amd64"
)

// FuzzOptions has options either refused or fit for a module.
func FuzzOptions(f *testing.F) {
	f.Add("fix", "GPL", "a fix")
	f.Add("a-b", "Proprietary", "x\x00y=z")
	f.Fuzz(func(t *testing.T, name, license, text string) {
		opt := Options{Name: name, License: license, Description: text}
		if checkOptions(&opt) != nil {
			return
		}
		if len(name) > maxName || name == "" || license == "" {
			t.Errorf("%q, %q passed", name, license)
		}
		for _, c := range []byte(text) {
			if c == 0 {
				t.Error("a NUL passed, which begins another key of .modinfo")
			}
		}
	})
}

// TestCode decodes what init and exit are made of, instruction by instruction,
// and checks that jumps lead to instructions.
func TestCode(t *testing.T) {
	a := &asm{section: &section{flags: flagsAX}, labels: map[string]uint64{}, jumps: map[uint64]string{}}
	b := &builder{Kernel: &Kernel{}, secs: map[string]*section{}, strings: map[string]uint64{}}
	b.init(a, nil, 0)
	a.link()
	starts := map[uint64]bool{}
	for off := uint64(0); off < a.len(); {
		in, err := amd64.Decode(a.data[off:])
		if err != nil {
			t.Fatalf("at %#x: %v", off, err)
		}
		starts[off] = true
		off += uint64(in.Len)
	}
	for off := range starts {
		in, _ := amd64.Decode(a.data[off:])
		if to, ok := in.Target(a.data[off:], off); ok && in.PCRelLen == 1 && !starts[to] {
			t.Errorf("the jump at %#x leads to %#x, between instructions", off, to)
		}
	}
	for _, r := range a.orc {
		if r.off < a.len() && !starts[r.off] {
			t.Errorf("an unwinding row begins at %#x, between instructions", r.off)
		}
	}
	if string(a.data[:4]) != "\xf3\x0f\x1e\xfa" {
		t.Error("init does not begin with endbr64")
	}
}
