package dwarf

import (
	"cmp"
	stddwarf "debug/dwarf"
	"io"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// benchObject is the object to measure with.
func benchObject() string { return cmp.Or(testenv.Value(testenv.Pre), "testdata/gcc.o") }

// BenchmarkLines reads the line table, and asks for one line.
func BenchmarkLines(b *testing.B) {
	f := open(b, benchObject())
	b.ReportAllocs()
	for b.Loop() {
		l, err := New(f).Lines()
		if err != nil {
			b.Fatal(err)
		}
		l.At(Addr{1, 0})
	}
}

// BenchmarkIndex goes through the outermost entries.
func BenchmarkIndex(b *testing.B) {
	f := open(b, benchObject())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := New(f).Index(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEntries reads all entries with their names.
func BenchmarkEntries(b *testing.B) {
	f := open(b, benchObject())
	b.ReportAllocs()
	for b.Loop() {
		units, err := New(f).Units()
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		for _, u := range units {
			var e Entry
			for r := u.Reader(); r.Next(&e); {
				n += len(e.Text(AttrName))
			}
		}
	}
}

// BenchmarkStdLines and the ones that follow do the same with debug/dwarf.
func BenchmarkStdLines(b *testing.B) {
	f := open(b, benchObject())
	b.ReportAllocs()
	for b.Loop() {
		l := linearise(b, f)
		r := l.Reader()
		u, err := r.Next()
		if err != nil {
			b.Fatal(err)
		}
		lr, err := l.LineReader(u)
		if err != nil {
			b.Fatal(err)
		}
		var e stddwarf.LineEntry
		for {
			if err := lr.Next(&e); err == io.EOF {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkStdEntries reads all entries.
func BenchmarkStdEntries(b *testing.B) {
	f := open(b, benchObject())
	b.ReportAllocs()
	for b.Loop() {
		r := linearise(b, f).Reader()
		for {
			e, err := r.Next()
			if err != nil {
				b.Fatal(err)
			}
			if e == nil {
				break
			}
		}
	}
}
