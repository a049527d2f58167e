package elfdiff

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/object"
)

// seeds returns objects to start from: compiled ones when there is a compiler,
// else the ones that were checked in when something came up.
func seeds(f *testing.F) [][]byte {
	var list [][]byte
	paths, _ := filepath.Glob("testdata/objects/*.o")
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			f.Fatal(err)
		}
		list = append(list, b)
	}
	for _, h := range hostileObjects() {
		if h.large {
			continue
		}
		if b := h.build(); len(b) < 1<<14 {
			list = append(list, b)
		}
	}
	return list
}

// memoryFactor and memoryBase bound what an object may cost: so many bytes per
// byte of input, and so many at all.
const (
	memoryFactor = 200
	memoryBase   = 1 << 20
)

func allocated(do func()) uint64 {
	var a, b runtime.MemStats
	runtime.ReadMemStats(&a)
	do()
	runtime.ReadMemStats(&b)
	return b.TotalAlloc - a.TotalAlloc
}

// FuzzObject reads arbitrary bytes as an object.
func FuzzObject(f *testing.F) {
	for _, b := range seeds(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		n := allocated(func() {
			o, err := NewObject(bytes.NewReader(b))
			if err != nil {
				return
			}
			checkObject(t, o)
		})
		if limit := uint64(memoryFactor*len(b) + memoryBase); n > limit {
			t.Errorf("%d bytes allocated for %d", n, len(b))
		}
	})
}

// checkObject demands what all else relies on.
func checkObject(t *testing.T, o *object.Object) {
	for i := range o.Atoms {
		a := &o.Atoms[i]
		if i > 0 && o.Atoms[i-1].Section == a.Section && o.Atoms[i-1].End() > a.Offset {
			t.Fatalf("atoms %d and %d overlap", i-1, i)
		}
		if !a.NoBits && uint64(len(a.Bytes)) != a.Size {
			t.Fatalf("atom %d has %d of %d bytes", i, len(a.Bytes), a.Size)
		}
		for k, r := range a.Refs {
			if r.Offset >= a.Size || k > 0 && r.Offset < a.Refs[k-1].Offset {
				t.Fatalf("reference %d of atom %d is out of place", k, i)
			}
			if r.Target != object.NoAtom && (r.Target < 0 || int(r.Target) >= len(o.Atoms)) {
				t.Fatalf("reference %d of atom %d leads to %d", k, i, r.Target)
			}
		}
	}
}

// FuzzCompare compares two mutations of one object, and extracts.
func FuzzCompare(f *testing.F) {
	for _, b := range seeds(f) {
		f.Add(b, uint32(70), uint32(0), byte(1), byte(0))
		f.Add(b, uint32(0x100), uint32(0x140), byte(0), byte(9))
	}
	f.Fuzz(func(t *testing.T, b []byte, at, at2 uint32, x, y byte) {
		c := bytes.Clone(b)
		if len(c) > 0 {
			c[at%uint32(len(c))] ^= x
			c[at2%uint32(len(c))] += y
		}
		n := allocated(func() { exercise(b, c) })
		if limit := uint64(2*memoryFactor*len(b) + 2*memoryBase); n > limit {
			t.Errorf("%d bytes allocated for %d", n, len(b))
		}
	})
}

// exercise does all that can be done with two objects.
func exercise(pre, post []byte) {
	p, err := NewObject(bytes.NewReader(pre))
	if err != nil {
		return
	}
	q, err := NewObject(bytes.NewReader(post))
	if err != nil {
		return
	}
	for _, opt := range []Options{{}, {Tables: true, InPlace: true, Initials: true, Types: true}} {
		d, err := Compare(p, q, opt)
		if err != nil {
			return
		}
		for i := range d.Functions {
			ListingOf(d, &d.Functions[i])
		}
		for i := range d.Data {
			ListingOf(d, &d.Data[i])
		}
		if x, err := Extract(d); err == nil {
			x.WriteTo(io.Discard)
		}
	}
}
