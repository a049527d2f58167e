package reloc

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/gosplice/gosplice/internal/testenv"
)

// TestTextIndex searches with passes over the memory and with an index of it: the
// results are the same, also of functions that are there many times.
func TestTextIndex(t *testing.T) {
	testenv.Need(t, "gcc")
	p := build(t, config{opt: "-O2", link: "pie"}, victims...)
	img := mustImage(t, p.stripped)
	index := img.makeTextIndex()
	if index == nil {
		t.Fatal("no index")
	}
	for i := range index.regions {
		r := &index.regions[i]
		for off := uint64(0); off+narrow4 <= uint64(r.size); off++ {
			b := make([]byte, narrow4)
			if err := img.ReadAddr(b, r.addr+off); err != nil {
				t.Fatal(err)
			}
			found := 0
			for _, place := range index.of(le32(b)) {
				if index.addr(place) == r.addr+off {
					found++
				}
			}
			if found != 1 {
				t.Fatalf("%#x: the index has it %d times", r.addr+off, found)
			}
		}
	}
	for _, path := range p.objects {
		pre := mustOpen(t, path)
		var results [2]string
		for i, x := range []*textIndex{nil, index} {
			img.text.index, img.text.count = x, 0
			results[i] = fmt.Sprintf("%+v", mustMatch(t, pre, img, Options{NoSymbols: true}).Functions)
		}
		if !reflect.DeepEqual(results[0], results[1]) {
			t.Errorf("%s: with a pass over the memory %s, with an index %s", path, results[0], results[1])
		}
	}
}
