package elfdiff_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
)

// linkedPair joins all objects of some stages of the corpus into one, with as
// many sections as they have together, and the same with the patched objects.
func linkedPair(b *testing.B, dir string, stages []string) (p pair, sections int) {
	b.Helper()
	var pre, post []string
	for _, stage := range stages {
		filepath.WalkDir(filepath.Join(dir, stage), func(path string, d os.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".o") {
				return nil
			}
			rel, _ := filepath.Rel(filepath.Join(dir, stage), path)
			pre = append(pre, path)
			if patched := filepath.Join(dir, "post", rel); stage == "pre" {
				if _, err := os.Stat(patched); err == nil {
					path = patched
				}
			}
			post = append(post, path)
			return nil
		})
	}
	out := b.TempDir()
	link := func(name string, files []string) string {
		name = filepath.Join(out, name)
		args := append([]string{"-r", "-S", "--unique", "-z", "muldefs", "-o", name}, files...)
		if said, err := exec.Command("ld", args...).CombinedOutput(); err != nil {
			b.Skipf("ld -r of %d objects: %v: %s", len(files), err, bytes.TrimSpace(said))
		}
		return name
	}
	p = pair{link("pre.o", pre), link("post.o", post)}
	o, err := elfdiff.Open(p.pre)
	if err != nil {
		b.Fatal(err)
	}
	return p, len(o.File.Sections)
}

// BenchmarkLinked compares objects with up to a hundred thousand sections: the
// time for each section, and the memory for each byte of both files, stay what
// they are for small ones.
func BenchmarkLinked(b *testing.B) {
	if _, err := exec.LookPath("ld"); err != nil {
		b.Skip(err)
	}
	dir := corpusDir(b)
	for _, stages := range [][]string{{"pre"}, {"pre", "lines"}, {"pre", "lines", "top", "end"}} {
		p, n := linkedPair(b, dir, stages)
		size := 0
		for _, name := range []string{p.pre, p.post} {
			st, err := os.Stat(name)
			if err != nil {
				b.Fatal(err)
			}
			size += int(st.Size())
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(int64(size))
			var w bytes.Buffer
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for b.Loop() {
				p.run(b, &w)
			}
			runtime.ReadMemStats(&after)
			b.ReportMetric(held(b, p)/float64(size), "held/byte")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(2*n), "ns/section")
			b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/float64(b.N)/float64(size), "allocated/byte")
		})
	}
}

// held returns how many bytes both objects and their difference keep in memory.
func held(b *testing.B, p pair) float64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	d := compareTables(b, p)
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(d)
	return float64(after.HeapAlloc) - float64(before.HeapAlloc)
}
