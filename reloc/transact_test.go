package reloc

import (
	"debug/elf"
	"slices"
	"testing"

	"github.com/gosplice/gosplice/reloc/image"
)

// TestNothingBehind matches a function of which run has one at each of two places,
// both called f. What the wrong one refers to is plausible up to its last
// instruction; none of it may become a value, and what other functions find out
// about the same symbols must not be refused because of it.
func TestNothingBehind(t *testing.T) {
	// call one; call two; mov $1,%eax; ret, and in the wrong place mov $2,%eax.
	pre := kernelObject(t, "e800000000 e800000000 b801000000 c3", []relo{{1, plt, "one", -4}, {6, plt, "two", -4}})
	const right, wrong = kernelText, kernelText + 0x200
	one, other, two := uint64(kernelText+0x400), uint64(kernelText+0x440), uint64(kernelText+0x480)
	call := func(from, to uint64) []byte {
		d := uint32(to - from - 5)
		return []byte{0xe8, byte(d), byte(d >> 8), byte(d >> 16), byte(d >> 24)}
	}
	body := func(at, first uint64, last byte) []byte {
		return slices.Concat(call(at, first), call(at+5, two), []byte{0xb8, last, 0, 0, 0, 0xc3})
	}
	text := make([]byte, 0x1000)
	copy(text, body(right, one, 1))
	copy(text[wrong-kernelText:], body(wrong, other, 2))
	for _, tt := range []struct {
		name  string
		names map[string][]uint64
		want  Verdict
		one   uint64
	}{
		{"both are called f", map[string][]uint64{"f": {wrong, right}}, Matched, one},
		{"only the wrong one", map[string][]uint64{"f": {wrong}}, Mismatch, 0},
		{"no names", nil, Matched, one},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var symbols []image.Symbol
			for name, list := range tt.names {
				for _, at := range list {
					symbols = append(symbols, image.Symbol{Name: name, Addr: at, Size: 16, Type: elf.STT_FUNC})
				}
			}
			mem, err := image.NewSegments(image.Segment{Addr: kernelText, Data: text})
			if err != nil {
				t.Fatal(err)
			}
			img, err := image.NewImage(mem, []image.Region{{Start: kernelText, End: kernelText + 0x1000, Read: true, Exec: true, Volatile: true}}, nil, symbols)
			if err != nil {
				t.Fatal(err)
			}
			r := mustMatch(t, pre, img, Options{NoSymbols: tt.names == nil})
			if f := r.Functions[0]; f.Verdict != tt.want || f.Verdict == Matched && f.Address != right {
				t.Fatalf("%v at %#x, want %v: %v", f.Verdict, f.Address, tt.want, f.Mismatch)
			}
			for _, v := range r.Symbols {
				switch {
				case v.Address == other:
					t.Errorf("%s is %#x, which only the failed candidate says", v.Name, v.Address)
				case tt.want != Matched && v.Address != 0 && (v.Name == "one" || v.Name == "two"):
					t.Errorf("%s is %#x, though nothing matched", v.Name, v.Address)
				case v.Name == "one" && v.Address != tt.one:
					t.Errorf("one is %#x, want %#x", v.Address, tt.one)
				}
			}
		})
	}
}
