package reloc

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/reloc/internal/prove"
)

// withFlip is an image with one byte changed, which shares everything else.
func withFlip(img *image.Image, addr uint64, mask byte) *image.Image {
	return img.WithMemory(&flipped{img, addr, mask})
}

// TestKernelFlips changes single bytes of the code of a kernel. Outside of
// relocation fields and of what is rewritten each has to be found, at its function
// and its instruction, and nowhere else. In relocation fields it is found, or
// nothing else says anything about where that leads.
func TestKernelFlips(t *testing.T) {
	dir, path, _ := longRun(t, "changes so many bytes of a vmlinux that objects are matched with", testenv.Flips)
	flipObjects(t, objectsIn(t, dir), mustImage(t, path), testenv.Number(t, testenv.Flips, 0))
}

// flipObjects spreads changes over objects: as many outside of relocation fields
// as inside.
func flipObjects(t *testing.T, paths []string, img *image.Image, count int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(3, 4))
	rng.Shuffle(len(paths), func(i, j int) { paths[i], paths[j] = paths[j], paths[i] })
	each := (count + len(paths) - 1) / len(paths)
	var s flipScore
	for before := -1; s.done() < 2*count && s.done() > before; {
		before = s.done()
		for _, path := range paths {
			pre := mustOpen(t, path)
			clean := mustMatch(t, pre, img, Options{})
			if len(clean.Functions) == 0 {
				continue
			}
			for n := 0; n < each && s.outside < count; n++ {
				s.flip(t, rng, pre, clean, img, false)
			}
			for n := 0; n < each && s.inside < count; n++ {
				s.flip(t, rng, pre, clean, img, true)
			}
		}
	}
	t.Logf("outside of fields %d changes, those not found are errors above; in fields %d found, %d harmless", s.outside, s.found, s.harmless)
}

type flipScore struct{ outside, inside, found, harmless int }

func (s *flipScore) done() int { return s.outside + s.inside }

// flip changes one byte of a random matched function.
func (s *flipScore) flip(t *testing.T, rng *rand.Rand, pre *object.Object, clean *Result, img *image.Image, field bool) {
	t.Helper()
	sites := prove.FindSites(pre)
	for range 200 {
		i := rng.IntN(len(clean.Functions))
		f := &clean.Functions[i]
		a := pre.Atom(f.Atom)
		if f.Verdict != Matched || len(f.Shifts) > 0 || a.Size == 0 || f.Weak {
			continue // a weak one may be another definition's code
		}
		off := rng.Uint64N(a.Size)
		hole := holeAt(a, off)
		if field != (hole >= 0) || inSites(sites, f.Atom, off) {
			continue
		}
		mask := byte(1) << rng.IntN(8)
		bad, err := Match(context.Background(), pre, withFlip(img, f.Address+off, mask), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if field {
			s.inside++
		}
		switch {
		case !field:
			s.outside++
			checkKernelFlip(t, pre, clean, bad, f, a, off)
		case bad.Functions[i].Verdict == Mismatch:
			s.found++
		case bad.Functions[i].Verdict == Matched && s.isHarmless(pre, clean, bad, &a.Refs[hole]):
			s.harmless++
		default:
			t.Errorf("%s: %s+%#x: a change of a field of type %d was not found: %v", pre.Name(), f.Name, off, a.Refs[hole].Type, bad.Functions[i].Verdict)
		}
		return
	}
}

// isHarmless reports whether a changed field leads to what is as good, or what
// nothing else in the object mentions, so that no value contradicts it.
func (s *flipScore) isHarmless(pre *object.Object, clean, bad *Result, r *object.Ref) bool {
	g := pre.Atom(r.Target)
	if g == nil {
		return false
	}
	if g.Kind.IsLiteral() || g.Kind == object.Const {
		return true // compared by content
	}
	was, _ := clean.AtomAddr(g.ID)
	is, _ := bad.AtomAddr(g.ID)
	return was != is && g.Anonymous()
}

func inSites(sites []prove.Site, id object.AtomID, off uint64) bool {
	for i := range sites {
		if s := &sites[i]; s.Atom == id && s.Off <= off && off < s.End() {
			return true
		}
	}
	return false
}

// checkKernelFlip: one function differs, at the instruction that was changed.
func checkKernelFlip(t *testing.T, pre *object.Object, clean, bad *Result, f *FuncResult, a *object.Atom, off uint64) {
	t.Helper()
	lo, hi := instruction(t, a.Bytes, off)
	for i := range bad.Functions {
		g, c := &bad.Functions[i], &clean.Functions[i]
		switch {
		case g.Atom != f.Atom && (g.Verdict != c.Verdict || g.Address != c.Address):
			t.Errorf("%s: change at %s+%#x: %s is %v at %#x, %v", pre.Name(), f.Name, off, g.Name, g.Verdict, g.Address, g.Mismatch)
		case g.Atom != f.Atom:
		case g.Verdict != Mismatch || g.Address != f.Address:
			t.Errorf("%s: change at %s+%#x: %v at %#x", pre.Name(), f.Name, off, g.Verdict, g.Address)
		case g.Mismatch.Offset < lo || g.Mismatch.Offset >= hi:
			t.Errorf("%s: change at %s+%#x (instruction %#x-%#x): %v", pre.Name(), f.Name, off, lo, hi, g.Mismatch)
		}
	}
}
