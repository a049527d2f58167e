package dwarf

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// FuzzObject asks all questions about arbitrary bytes.
func FuzzObject(f *testing.F) {
	paths, err := filepath.Glob("testdata/*.o")
	if err != nil {
		f.Fatal(err)
	}
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, uint32(1), uint32(8))
	}
	f.Fuzz(func(t *testing.T, b []byte, section, off uint32) {
		file, err := elfobj.Parse(b)
		if err != nil {
			return
		}
		askAll(file, Addr{elfobj.SectionIndex(section), uint64(off)})
	})
}

func askAll(file *elfobj.File, at Addr) {
	d := New(file)
	if l, err := d.Lines(); err == nil {
		if line, ok := l.At(at); ok {
			_, _, _ = line.File(), line.Dir(), line.Base()
		}
		for range l.Rows(Range{at, 100}) {
		}
	}
	_, _ = d.CallsAt(at)
	units, _ := d.Units()
	for _, u := range units {
		var e Entry
		for r := u.Reader(); r.Next(&e); {
			for a := range attrCount {
				e.Text(a)
				e.Int(a)
				e.Ref(a)
				e.Addr(a)
				e.Block(a)
			}
			e.Place()
			e.AppendRanges(nil)
		}
	}
}

// TestDamaged cuts an object's sections short, and turns bytes of them over.
func TestDamaged(t *testing.T) {
	testenv.Serial(t)
	for _, path := range []string{"testdata/gcc.o", "testdata/clang.o", "testdata/gcc4.o"} {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f, err := elfobj.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range f.Sections {
			if s.Offset == 0 || s.Size == 0 {
				continue
			}
			for off := s.Offset; off < s.Offset+s.Size; off += 1 + s.Size/200 {
				c := append([]byte(nil), b...)
				c[off] ^= 0xff
				if g, err := elfobj.Parse(c); err == nil {
					askAll(g, Addr{1, 8})
				}
			}
		}
	}
}
