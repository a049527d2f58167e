package reloc

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/gosplice/gosplice/internal/lab/kbuild"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/reloc/internal/prove"
)

// compared is a matched object, and what comparing its functions takes.
type compared struct {
	m     *solver
	funcs []prove.Node
	pre   [][]byte // their bytes
	twin  [][]byte // a copy, elsewhere in memory
}

// compareBench matches an object, so that everything that is read is read.
func compareBench(b *testing.B, path string, img *image.Image) *compared {
	b.Helper()
	m, err := newSolver(context.Background(), mustOpen(b, path), img, Options{})
	if err != nil {
		b.Fatal(err)
	}
	r, err := m.run()
	if err != nil {
		b.Fatal(err)
	}
	c := &compared{m: m}
	for i := range r.Functions {
		if f := &r.Functions[i]; f.Verdict == Matched {
			a := m.c.Pre.Atom(f.Atom)
			c.funcs = append(c.funcs, prove.Node{Atom: f.Atom, Addr: f.Address})
			c.pre = append(c.pre, a.Bytes)
			c.twin = append(c.twin, bytes.Clone(a.Bytes))
		}
	}
	return c
}

// BenchmarkCompare compares functions with the places where they are: bytes,
// fields and sites, without finding them, and without what the same object has
// found out before. x-memcmp is how many times as long that takes as comparing as
// many bytes that are equal; ns/ref is by reference; plan-ns/ref is what is done
// once for each object: its tables are read, and the comparison is planned. All of them are the least of all rounds.
func BenchmarkCompare(b *testing.B) {
	b.Run("program", func(b *testing.B) {
		big := bigProgram(b)
		benchCompare(b, big.objects, mustImage(b, big.image))
	})
	b.Run("kernel", func(b *testing.B) {
		k := vmtest.Need(b, "6.1")
		tree := kbuild.Need(b, k)
		var paths []string
		for _, source := range liveSources {
			path, err := tree.Compile(b.Context(), source)
			if err != nil {
				b.Fatal(err)
			}
			paths = append(paths, path)
		}
		benchCompare(b, paths, mustOpenKernel(b, k.Image))
	})
	b.Run("objects", func(b *testing.B) {
		dir, path, _ := longRun(b, "compares objects with a vmlinux")
		benchCompare(b, objectsIn(b, dir), mustOpenKernel(b, path))
	})
}

func benchCompare(b *testing.B, paths []string, img *image.Image) {
	var list []*compared
	size, refs := 0, 0
	for _, path := range paths {
		c := compareBench(b, path, img)
		for i, p := range c.pre {
			size += len(p)
			refs += len(c.m.c.Pre.Atom(c.funcs[i].Atom).Refs)
		}
		list = append(list, c)
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	const never = time.Duration(1<<63 - 1)
	compare, memcmp, plan := never, never, never
	for b.Loop() {
		round := time.Duration(0)
		for _, c := range list {
			c.m.c.Forget()
			tried := newAttempts(c.m.c, len(c.funcs))
			start := time.Now()
			for _, n := range c.funcs {
				if t := tried.try(n.Atom, n.Addr); t.err != nil {
					b.Fatal(t.err)
				}
			}
			round += time.Since(start)
		}
		compare = min(compare, round)
		start := time.Now()
		for _, c := range list {
			for i := range c.pre {
				if !bytes.Equal(c.pre[i], c.twin[i]) {
					b.Fatal("a copy differs")
				}
			}
		}
		memcmp = min(memcmp, time.Since(start))
	}
	for range 5 {
		start := time.Now()
		for _, c := range list {
			prove.New(c.m.c.Pre, img, false, image.NoModule)
		}
		plan = min(plan, time.Since(start))
	}
	b.ReportMetric(float64(compare)/float64(memcmp), "x-memcmp")
	b.ReportMetric(float64(compare)/float64(refs), "ns/ref")
	b.ReportMetric(float64(plan)/float64(refs), "plan-ns/ref")
	b.ReportMetric(float64(compare)/float64(size), "ns/B")
}
