package prove_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/reloc/internal/prove"
)

// TestCompare compares each function of an object with each place where a function is, and
// nothing else matches than the place where it is. What a trial says depends on no other: in
// reverse order it says the same, and others leave it as it was.
func TestCompare(t *testing.T) {
	pre, err := object.Open("../../testdata/tiny.o")
	if err != nil {
		t.Fatal(err)
	}
	img, err := image.OpenELF("../../testdata/tiny.elf")
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	var nodes []prove.Node
	for a := range prove.Functions(pre) {
		for _, s := range img.Symbols() {
			if s.IsFunc() {
				nodes = append(nodes, prove.Node{Atom: a.ID, Addr: s.Addr})
			}
		}
	}
	first, texts := compareAll(pre, img, nodes), make(map[prove.Node]string)
	matched := 0
	for n, trial := range first {
		texts[n] = text(trial)
		if trial.Err != nil {
			continue
		}
		matched++
		if s, off, ok := img.SymbolAt(n.Addr); !ok || off != 0 || s.Name != pre.Atom(n.Atom).Name {
			t.Errorf("%s matches at %#x", pre.Atom(n.Atom).Name, n.Addr)
		}
	}
	if matched < 2 {
		t.Errorf("%d of %d trials match", matched, len(nodes))
	}
	slices.Reverse(nodes)
	for n, trial := range compareAll(pre, img, nodes) {
		if got := text(trial); got != texts[n] || got != text(first[n]) {
			t.Errorf("%s at %#x: %s, in reverse %s", pre.Atom(n.Atom).Name, n.Addr, texts[n], got)
		}
	}
}

func compareAll(pre *object.Object, img *image.Image, nodes []prove.Node) map[prove.Node]*prove.Trial {
	c := prove.New(pre, img, false, image.NoModule)
	out := make(map[prove.Node]*prove.Trial, len(nodes))
	for _, n := range nodes {
		out[n] = &prove.Trial{Node: n}
		c.Compare(out[n])
	}
	return out
}

// text is all that a trial says.
func text(t *prove.Trial) string {
	s := fmt.Sprint(t.Node, t.Size, t.Shifts, t.Binds, t.Consts, t.Patches)
	if t.Err != nil {
		s += fmt.Sprintf(" %+v", *t.Err)
	}
	return s
}
