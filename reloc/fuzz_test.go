package reloc

import (
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/reloc/image"
)

// FuzzMatch matches objects with images, both of any bytes. Whatever comes of
// it has to be consistent, and be the same again.
func FuzzMatch(f *testing.F) {
	obj, err := os.ReadFile("testdata/tiny.o")
	if err != nil {
		f.Fatal(err)
	}
	exe, err := os.ReadFile("testdata/tiny.elf")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(obj, exe, false)
	f.Add(obj, exe, true)
	f.Add(obj, exe[:len(exe)/2], true)
	f.Add(obj[:len(obj)-100], exe, false)
	f.Fuzz(func(t *testing.T, obj, exe []byte, search bool) {
		pre, err := elfdiff.NewObject(bytes.NewReader(obj))
		if err != nil {
			return
		}
		file, err := elfobj.Parse(exe)
		if err != nil {
			return
		}
		img, err := image.NewELF(file, "fuzz")
		if err != nil {
			return
		}
		r, err := Match(context.Background(), pre, img, Options{NoSymbols: search})
		if err != nil {
			return
		}
		checkResult(t, pre, img, r)
		again, err := Match(context.Background(), pre, img, Options{NoSymbols: search})
		if err != nil {
			t.Fatal(err)
		}
		for i := range r.Functions {
			if a, b := &r.Functions[i], &again.Functions[i]; a.Verdict != b.Verdict || a.Address != b.Address || a.By != b.By {
				t.Errorf("%s: %v at %#x, then %v at %#x", a.Name, a.Verdict, a.Address, b.Verdict, b.Address)
			}
		}
	})
}

// checkResult checks what holds for every result.
func checkResult(t *testing.T, pre *object.Object, img *image.Image, r *Result) {
	t.Helper()
	for i := range r.Functions {
		f := &r.Functions[i]
		if (f.Mismatch != nil) != (f.Verdict == Mismatch) {
			t.Errorf("%s: %v with mismatch %v", f.Name, f.Verdict, f.Mismatch)
		}
		if f.Mismatch != nil && f.Mismatch.Error() == "" {
			t.Errorf("%s: empty message", f.Name)
		}
		if f.Verdict != Matched {
			continue
		}
		if addr, ok := r.AtomAddr(f.Atom); !ok || addr != f.Address {
			t.Errorf("%s: matched at %#x, AtomAddr is %#x, %v", f.Name, f.Address, addr, ok)
		}
		if err := img.ReadAddr(make([]byte, f.Size), f.Address); err != nil {
			t.Errorf("%s: matched %d bytes at %#x: %v", f.Name, f.Size, f.Address, err)
		}
		if pre.Atom(f.Atom).Kind != object.Func {
			t.Errorf("%s: atom %d is no function", f.Name, f.Atom)
		}
	}
}

// TestHostile damages an object and an image byte by byte. There must be no
// panic, and no error of Match or MatchAll that is not the caller's: what can't be matched
// is a verdict.
func TestHostile(t *testing.T) {
	testenv.Serial(t)
	obj, err := os.ReadFile("testdata/tiny.o")
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.ReadFile("testdata/tiny.elf")
	if err != nil {
		t.Fatal(err)
	}
	try := func(obj, exe []byte, set bool) {
		pre, err := elfdiff.NewObject(bytes.NewReader(obj))
		if err != nil {
			return
		}
		file, err := elfobj.Parse(exe)
		if err != nil {
			return
		}
		img, err := image.NewELF(file, "hostile")
		if err != nil {
			return
		}
		r, err := Match(context.Background(), pre, img, Options{})
		if err != nil {
			t.Error(err)
			return
		}
		checkResult(t, pre, img, r)
		if !set {
			return
		}
		kernel := asKernel(t, img)
		again := func(int) (*object.Object, error) { return elfdiff.NewObject(bytes.NewReader(obj)) }
		if _, err := MatchAll(context.Background(), 2, again, kernel, Options{NoSymbols: true}); err != nil {
			t.Error(err)
		}
	}
	for i := range obj {
		bad := bytes.Clone(obj)
		bad[i] ^= 0xff
		try(bad, exe, i%8 == 0)
	}
	for i := range exe {
		bad := bytes.Clone(exe)
		bad[i] ^= 0xff
		try(obj, bad, i%8 == 0)
	}
}

// raised is memory at higher addresses.
type raised struct {
	image.Memory
	by uint64
}

func (m raised) ReadAddr(p []byte, addr uint64) error { return m.Memory.ReadAddr(p, addr-m.by) }

// asKernel is the image where kernels are, so that the order of objects counts.
func asKernel(t testing.TB, img *image.Image) *image.Image {
	t.Helper()
	const by = 0xffffffff80000000
	regions := slices.Clone(img.Regions())
	for i := range regions {
		if regions[i].End >= 1<<30 {
			return img
		}
		regions[i].Start, regions[i].End = regions[i].Start+by, regions[i].End+by
	}
	out, err := image.NewImage(raised{img, by}, regions, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestCancel checks that matching stops when it is told to.
func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := Match(ctx, mustOpen(t, "testdata/tiny.o"), mustImage(t, "testdata/tiny.elf"), Options{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
