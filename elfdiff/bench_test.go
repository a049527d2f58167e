package elfdiff

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// benchmarkObjects returns a pair of the size of kernel objects: those that are
// given, or generated ones.
func benchmarkObjects(b *testing.B) (pre, post []byte) {
	b.Helper()
	if p, q := testenv.Value(testenv.Pre), testenv.Value(testenv.Post); p != "" && q != "" {
		var err error
		if pre, err = os.ReadFile(p); err != nil {
			b.Fatal(err)
		}
		if post, err = os.ReadFile(q); err != nil {
			b.Fatal(err)
		}
		return pre, post
	}
	return many(2000, 1)(), many(2000, 2)()
}

func mustRead(b *testing.B, data []byte) *object.Object {
	b.Helper()
	o, err := NewObject(bytes.NewReader(data))
	if err != nil {
		b.Fatal(err)
	}
	return o
}

func BenchmarkOpen(b *testing.B) {
	pre, _ := benchmarkObjects(b)
	b.SetBytes(int64(len(pre)))
	b.ReportAllocs()
	for b.Loop() {
		mustRead(b, pre)
	}
}

func BenchmarkCompare(b *testing.B) {
	p, q := benchmarkObjects(b)
	pre, post := mustRead(b, p), mustRead(b, q)
	b.SetBytes(int64(len(p) + len(q)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compare(pre, post, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkExtract(b *testing.B) {
	p, q := benchmarkObjects(b)
	d, err := Compare(mustRead(b, p), mustRead(b, q), Options{})
	if err != nil {
		b.Fatal(err)
	}
	if len(d.Refusals) > 0 {
		b.Skip("refused: ", d.Refusals[0])
	}
	b.ReportAllocs()
	for b.Loop() {
		x, err := Extract(d)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := x.WriteTo(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkGenerated is all that one pair costs, from bytes in memory to the verdict.
func BenchmarkGenerated(b *testing.B) {
	p, q := benchmarkObjects(b)
	b.SetBytes(int64(len(p) + len(q)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compare(mustRead(b, p), mustRead(b, q), Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSections shows that the cost per section does not grow with their
// number.
func BenchmarkSections(b *testing.B) {
	for _, n := range []int{1000, 15000, 60000} {
		pre, post := many(n, 1)(), many(n, 2)()
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Compare(mustRead(b, pre), mustRead(b, post), Options{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/section")
		})
	}
}
