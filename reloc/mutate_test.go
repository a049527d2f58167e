package reloc

import (
	"math/rand/v2"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/reloc/internal/prove"
)

// flipped is memory with one byte changed.
type flipped struct {
	image.Memory
	addr uint64
	mask byte
}

func (m *flipped) ReadAddr(p []byte, addr uint64) error {
	err := m.Memory.ReadAddr(p, addr)
	if i := m.addr - addr; i < uint64(len(p)) {
		p[i] ^= m.mask
	}
	return err
}

// flip returns the image with one byte changed.
func flip(t testing.TB, img *image.Image, addr uint64, mask byte) *image.Image {
	t.Helper()
	return img.WithMemory(&flipped{img, addr, mask})
}

// instruction returns the bounds of the instruction that covers off.
func instruction(t testing.TB, code []byte, off uint64) (lo, hi uint64) {
	t.Helper()
	for hi <= off {
		in, err := amd64.Decode(code[hi:])
		if err != nil {
			t.Fatal(err)
		}
		lo, hi = hi, hi+uint64(in.Len)
	}
	return lo, hi
}

// holeAt returns the index of the reference whose field covers off, or -1.
func holeAt(a *object.Atom, off uint64) int {
	for i := range a.Refs {
		if r := &a.Refs[i]; off >= r.Offset && off < r.Offset+prove.FieldSize(r) {
			return i
		}
	}
	return -1
}

// TestFlips changes single bytes of matched code. Outside of holes every change
// has to be found, in the right function at the right instruction, and nowhere
// else. Inside of holes it is found, or the reference is the only one that says
// anything about where its target is.
func TestFlips(t *testing.T) {
	count := 120
	if testenv.Asked(testenv.Long) {
		count = 10000
	}
	for _, c := range []config{
		{opt: "-O2", link: "pie", cf: true},
		{opt: "-O2", link: "static", sections: true},
		{opt: "-O1", link: "shared", noPLT: true},
		{opt: "-Os", link: "nopie"},
	} {
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			b := build(t, c, victims...)
			img := mustImage(t, b.image)
			rng := rand.New(rand.NewPCG(1, 2))
			found, inHoles, harmless := 0, 0, 0
			for n := range count {
				pre := mustOpen(t, b.objects[n%len(b.objects)])
				clean := mustMatch(t, pre, img, Options{})
				f := clean.Functions[rng.IntN(len(clean.Functions))]
				a := pre.Atom(f.Atom)
				off := rng.Uint64N(a.Size)
				bad := mustMatch(t, pre, flip(t, img, f.Address+off, 1<<rng.IntN(8)), Options{})
				if hole := holeAt(a, off); hole >= 0 {
					inHoles++
					if bad.AllMatched() && !anonymous(pre, &a.Refs[hole]) {
						t.Errorf("%s+%#x: a change in a hole of type %d was not found", f.Name, off, a.Refs[hole].Type)
					} else if bad.AllMatched() {
						harmless++
					}
					continue
				}
				found++
				checkFlip(t, clean, bad, &f, a, off)
			}
			t.Logf("%d found, %d in holes, of which %d undetermined", found, inHoles, harmless)
		})
	}
}

// anonymous reports whether nothing but the reference tells where its target
// is: writable data without a symbol.
func anonymous(pre *object.Object, r *object.Ref) bool {
	g := pre.Atom(r.Target)
	return g != nil && g.Kind == object.Data && g.Anonymous()
}

func checkFlip(t *testing.T, clean, bad *Result, f *FuncResult, a *object.Atom, off uint64) {
	t.Helper()
	lo, hi := instruction(t, a.Bytes, off)
	for i := range bad.Functions {
		g := &bad.Functions[i]
		switch {
		case g.Atom != f.Atom && (g.Verdict != Matched || g.Address != clean.Functions[i].Address):
			t.Errorf("change at %s+%#x: %s is %v at %#x, %v", f.Name, off, g.Name, g.Verdict, g.Address, g.Mismatch)
		case g.Atom != f.Atom:
		case g.Verdict != Mismatch || g.Address != f.Address:
			t.Errorf("change at %s+%#x: %v at %#x", f.Name, off, g.Verdict, g.Address)
		case g.Mismatch.Offset < lo || g.Mismatch.Offset >= hi:
			t.Errorf("change at %s+%#x (instruction %#x-%#x): %+v", f.Name, off, lo, hi, g.Mismatch)
		}
	}
}
