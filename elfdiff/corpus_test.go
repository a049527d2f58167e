package elfdiff_test

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// sample takes each n-th pair of a corpus; 1 takes all.
var sample = flag.Int("corpus-sample", 8, "compare each `n`th pair of a corpus of kernel patches")

// aCorpus is a folder that examples/corpus made: a folder for each stage.
type aCorpus struct{ name, dir string }

// corpora lists what is there, and builds nothing: go run ./examples/corpus does.
func corpora(t testing.TB) []aCorpus {
	t.Helper()
	testenv.NeedKernels(t)
	cache, _ := os.UserCacheDir()
	found, _ := filepath.Glob(filepath.Join(cache, "gosplice", "corpus", "*_*"))
	if dir := testenv.Value(testenv.Corpus); dir != "" {
		found = []string{dir}
	}
	var list []aCorpus
	for _, dir := range found {
		list = append(list, aCorpus{filepath.Base(dir), dir})
	}
	if len(list) == 0 {
		t.Skip("no corpus: run go run ./examples/corpus pre post lines top end order")
	}
	return list
}

// pairs lists each n-th object of two stages.
func (c aCorpus) pairs(t testing.TB, pre, post string, n int) []pair {
	t.Helper()
	var pairs []pair
	root := filepath.Join(c.dir, pre)
	filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".o") {
			return nil
		}
		rel, _ := filepath.Rel(root, path)
		other := filepath.Join(c.dir, post, rel)
		if _, err := os.Stat(other); err == nil {
			pairs = append(pairs, pair{path, other})
		}
		return nil
	})
	var out []pair
	for i := range pairs {
		if i%n == 0 {
			out = append(out, pairs[i])
		}
	}
	return out
}

// TestCorpusMetamorphic compares objects of the kernel whose sources say the same
// in another way: nothing may differ but what was added. Where the tools show that
// the compiler made other code, since what was added made it inline less, that is
// no mistake.
func TestCorpusMetamorphic(t *testing.T) {
	for _, c := range corpora(t) {
		unproven := 0
		if strings.Contains(c.name, "_clang-") {
			unproven = 2 // clang takes __LINE__ for the last line of a macro's use, which the line table does not have
		}
		for _, m := range []struct {
			post     string
			added    bool // one function
			unproven int  // objects with a line that nothing proves to be one
		}{
			{"pre", false, 0}, {"lines", false, unproven}, {"order", false, 0}, {"top", true, unproven}, {"end", true, 0},
		} {
			n, bad := 0, 0
			for _, p := range c.pairs(t, "pre", m.post, *sample) {
				n++
				says := differences(t, p, m.added)
				if says == "" {
					continue
				}
				if bad++; bad > m.unproven {
					t.Errorf("%s: %s", p.post, says)
				} else {
					t.Logf("%s: %s", p.post, says)
				}
			}
			if n > 0 {
				t.Logf("%s: %d pairs of %s and %s", c.name, n, "pre", m.post)
			}
		}
	}
}

// compareTables opens a pair and compares it.
func compareTables(t testing.TB, p pair) *elfdiff.Diff {
	t.Helper()
	pre, err := elfdiff.Open(p.pre)
	if err != nil {
		t.Fatal(err)
	}
	post, err := elfdiff.Open(p.post)
	if err != nil {
		t.Fatal(err)
	}
	d, err := elfdiff.Compare(pre, post, elfdiff.Options{Tables: true})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// differences says what Compare finds that it should not.
func differences(t *testing.T, p pair, added bool) string {
	d := compareTables(t, p)
	says := ""
	var tools [2]*oracle
	for _, list := range [][]verdict.Change{d.Functions, d.Data} {
		for i := range list {
			ch := &list[i]
			if ch.Status == verdict.Same || added && ch.Status == verdict.New && strings.HasSuffix(ch.Name, "gosplice_unused") {
				continue
			}
			if ch.Status == verdict.Changed && ch.Kind == object.Func && added {
				if tools[0] == nil {
					tools = [2]*oracle{newOracle(t, p.pre), newOracle(t, p.post)}
				}
				if reallyChanged(d, ch, tools) {
					t.Logf("%s: the compiler made other code of %s: %s", p.post, ch.Name, ch.Reasons[0])
					return ""
				}
			}
			says += "\n\t" + ch.Status.String() + " " + ch.Kind.String() + " " + ch.Name
			for _, r := range ch.Reasons {
				says += ": " + r.String()
			}
		}
	}
	for i := range d.Refusals {
		says += "\n\t" + d.Refusals[i].Error()
	}
	for i := range d.Findings {
		says += "\n\t" + d.Findings[i].String()
	}
	return says
}
