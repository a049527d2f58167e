package elfobj

import (
	"io"
	"os"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// benchmarkObject is the file that is given, such as a large
// kernel module, or a small one that gcc makes.
func benchmarkObject(b *testing.B) []byte {
	name := testenv.Value(testenv.Pre)
	if name == "" {
		_, files := fixtures(b)
		name = files["gcc-O2-g"]
	}
	data, err := os.ReadFile(name)
	if err != nil {
		b.Fatal(err)
	}
	return data
}

// BenchmarkRead parses headers, symbols and all relocations.
func BenchmarkRead(b *testing.B) {
	data := benchmarkObject(b)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		f, err := Parse(data)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := f.Symbols(); err != nil {
			b.Fatal(err)
		}
		for _, s := range f.Sections {
			if _, err := f.Relas(s.Index); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkRewrite writes an object that is parsed already.
func BenchmarkRewrite(b *testing.B) {
	data := benchmarkObject(b)
	f, err := Parse(data)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Rewrite(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}
