package elfdiff_test

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// pair is the object of one source without a patch and with it.
type pair struct{ pre, post string }

// corpusDir is the folder of real kernel patches that examples/corpus built, one
// folder in it for each stage: what is given, or where that command
// leaves them. Nothing is built here.
func corpusDir(b *testing.B) string {
	b.Helper()
	if dir := testenv.Value(testenv.Corpus); dir != "" {
		return dir
	}
	cache, _ := os.UserCacheDir()
	found, _ := filepath.Glob(filepath.Join(cache, "gosplice", "corpus", "6.1.*_6.1.*"))
	if len(found) == 0 {
		b.Skip("no corpus: run go run ./examples/corpus pre post")
	}
	return found[0]
}

// corpusPairs lists the pairs of real patches.
func corpusPairs(b *testing.B) []pair {
	b.Helper()
	dir := corpusDir(b)
	var pairs []pair
	filepath.WalkDir(filepath.Join(dir, "pre"), func(pre string, d os.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(pre, ".o") {
			rel, _ := filepath.Rel(filepath.Join(dir, "pre"), pre)
			post := filepath.Join(dir, "post", rel)
			if _, err := os.Stat(post); err == nil {
				pairs = append(pairs, pair{pre, post})
			}
		}
		return nil
	})
	if len(pairs) == 0 {
		b.Skip("no pairs in ", dir)
	}
	return pairs
}

// run does all that a pair costs, from opening the files to the written
// object, and reports whether the change could be carried.
func (p pair) run(tb testing.TB, w *bytes.Buffer) bool {
	pre, err := elfdiff.Open(p.pre)
	if err != nil {
		tb.Error(err)
		return false
	}
	post, err := elfdiff.Open(p.post)
	if err != nil {
		tb.Error(err)
		return false
	}
	d, err := elfdiff.Compare(pre, post, elfdiff.Options{Tables: true})
	if err != nil {
		tb.Error(err)
		return false
	}
	x, err := elfdiff.Extract(d)
	if err != nil {
		return false
	}
	w.Reset()
	if _, err := x.WriteTo(w); err != nil {
		tb.Error(err)
		return false
	}
	return true
}

// BenchmarkPair is what one pair costs on one processor: the median and the
// worst of the corpus, each the best of its runs.
func BenchmarkPair(b *testing.B) {
	pairs := corpusPairs(b)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	best := make([]time.Duration, len(pairs))
	var w bytes.Buffer
	b.ReportAllocs()
	for b.Loop() {
		for i, p := range pairs {
			start := time.Now()
			p.run(b, &w)
			if t := time.Since(start); best[i] == 0 || t < best[i] {
				best[i] = t
			}
		}
	}
	slices.Sort(best)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(ms(best[len(best)/2]), "ms/median")
	b.ReportMetric(ms(best[len(best)*9/10]), "ms/p90")
	b.ReportMetric(ms(best[len(best)-1]), "ms/worst")
}

// BenchmarkCorpus is what all pairs cost in one process, on all processors.
func BenchmarkCorpus(b *testing.B) {
	pairs := corpusPairs(b)
	b.ReportAllocs()
	for b.Loop() {
		var next atomic.Int64
		var all sync.WaitGroup
		for range runtime.GOMAXPROCS(0) {
			all.Go(func() {
				var w bytes.Buffer
				for i := int(next.Add(1)) - 1; i < len(pairs); i = int(next.Add(1)) - 1 {
					pairs[i].run(b, &w)
				}
			})
		}
		all.Wait()
	}
}
