package elfdiff

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// TestTypesCorpus compares all types of kernel objects whose sources have the
// same ones: nothing may differ. It uses what examples/corpus made.
func TestTypesCorpus(t *testing.T) {
	testenv.NeedKernels(t)
	cache, _ := os.UserCacheDir()
	dirs, _ := filepath.Glob(filepath.Join(cache, "gosplice", "corpus", "*_*"))
	n := 0
	for _, dir := range dirs {
		for _, stages := range [][2]string{{"pre", "pre"}, {"pre", "lines"}, {"pre", "order"}} {
			n += sameTypes(t, filepath.Join(dir, stages[0]), filepath.Join(dir, stages[1]))
		}
	}
	if n == 0 {
		t.Skip("no corpus: run go run ./examples/corpus pre lines order")
	}
	t.Logf("%d pairs", n)
}

// sampledPairs is how many pairs of a corpus are compared at most, unless
// [testenv.Long] is asked for.
const sampledPairs = 12

func sameTypes(t *testing.T, pre, post string) (n int) {
	total := 0
	filepath.WalkDir(pre, func(path string, e fs.DirEntry, err error) error {
		other := post + strings.TrimPrefix(path, pre)
		if err != nil || !strings.HasSuffix(path, ".o") {
			return nil
		}
		if _, err := os.Stat(other); err != nil {
			return nil
		}
		if total++; !testenv.Asked(testenv.Long) && (total%10 != 1 || n >= sampledPairs) {
			return nil
		}
		n++
		p, q := mustOpen(t, path), mustOpen(t, other)
		defer p.Close()
		defer q.Close()
		for _, c := range allTypes(t, p, q) {
			t.Errorf("%s: %s", other, c.String())
		}
		return nil
	})
	return n
}
