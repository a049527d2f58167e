//go:build unix

package reloc

import (
	"context"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/reloc/image"
)

// BenchmarkKernel opens a vmlinux and matches all objects of a folder with it, as
// an audit does: with symbols and without. MB/s are of the code that matched.
// Besides time on all processors it tells the processor time, and the most memory
// that the process has had so far, as a multiple of the objects.
func BenchmarkKernel(b *testing.B) {
	dir, path, _ := longRun(b, "matches objects with a vmlinux")
	paths := objectsIn(b, dir)
	files := int64(0)
	for _, p := range paths {
		st, err := os.Stat(p)
		if err != nil {
			b.Fatal(err)
		}
		files += st.Size()
	}
	for _, bb := range []struct {
		name string
		opt  Options
	}{{"symbols", Options{}}, {"search", Options{NoSymbols: true}}} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			before := processorTime(b)
			for b.Loop() {
				b.SetBytes(matchFiles(b, path, paths, bb.opt))
			}
			cpu := processorTime(b) - before
			b.ReportMetric(float64(cpu)/float64(b.N), "cpu-ns/op")
			var u unix.Rusage
			if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(u.Maxrss<<10)/float64(files), "x-objects")
		})
	}
}

// matchFiles matches objects with a kernel, and returns the number of bytes of
// code that match.
func matchFiles(b *testing.B, kernel string, paths []string, opt Options) int64 {
	img, err := image.OpenKernel(kernel) // which is garbage after each round
	if err != nil {
		b.Fatal(err)
	}
	defer img.Close()
	sizes := make([]int64, len(paths))
	g, ctx := errgroup.WithContext(context.Background())
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, path := range paths {
		g.Go(func() error {
			pre, err := elfdiff.Open(path)
			if err != nil {
				return err
			}
			r, err := Match(ctx, pre, img, opt)
			if err != nil {
				return err
			}
			for k := range r.Functions {
				sizes[i] += int64(r.Functions[k].Size)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
	sum := int64(0)
	for _, n := range sizes {
		sum += n
	}
	return sum
}

// processorTime returns the processor time that the process has used, in
// nanoseconds.
func processorTime(b *testing.B) int64 {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
