package reloc

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/gosplice/gosplice/internal/kbuild"
	"github.com/gosplice/gosplice/internal/vm"
)

// compared is a matched object, and what comparing its functions takes.
type compared struct {
	m     *matcher
	funcs []node
	pre   [][]byte // their bytes
	twin  [][]byte // a copy, elsewhere in memory
}

// compareBench matches an object, so that everything that is read is read.
func compareBench(b *testing.B, path string, img *Image) *compared {
	b.Helper()
	m, err := newMatcher(context.Background(), mustOpen(b, path), img, Options{})
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
			a := m.pre.Atom(f.Atom)
			c.funcs = append(c.funcs, node{f.Atom, f.Address})
			c.pre = append(c.pre, a.Bytes)
			c.twin = append(c.twin, bytes.Clone(a.Bytes))
		}
	}
	return c
}

// BenchmarkCompare compares functions with the places where they are: bytes,
// fields and sites, without finding them. x-memcmp is how many times as long that
// takes as comparing as many bytes that are equal.
func BenchmarkCompare(b *testing.B) {
	b.Run("program", func(b *testing.B) {
		big := bigProgram(b, 2000)
		benchCompare(b, big.objects, mustImage(b, big.image))
	})
	b.Run("kernel", func(b *testing.B) {
		k := vm.Need(b, "6.1")
		tree := kbuild.Need(b, k)
		var paths []string
		for _, source := range liveSources {
			path, err := tree.Compile(b.Context(), source)
			if err != nil {
				b.Fatal(err)
			}
			paths = append(paths, path)
		}
		benchCompare(b, paths, mustKernel(b, k.Image))
	})
}

func benchCompare(b *testing.B, paths []string, img *Image) {
	var list []*compared
	size := 0
	for _, path := range paths {
		c := compareBench(b, path, img)
		for _, p := range c.pre {
			size += len(p)
		}
		list = append(list, c)
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		for _, c := range list {
			clear(c.m.trials)
			for _, n := range c.funcs {
				if t := c.m.try(n.atom, n.addr); t.err != nil {
					b.Fatal(t.err)
				}
			}
		}
	}
	begin := time.Now()
	for range b.N {
		for _, c := range list {
			for i := range c.pre {
				if !bytes.Equal(c.pre[i], c.twin[i]) {
					b.Fatal("a copy differs")
				}
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed())/float64(max(time.Since(begin), 1)), "x-memcmp")
}
