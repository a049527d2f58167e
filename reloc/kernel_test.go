package reloc

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/gosplice/gosplice/elfdiff"
)

// objectsIn lists the objects below a folder.
func objectsIn(t testing.TB, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(path, ".o") {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

// matchAll matches objects and has the oracle judge the results.
func matchAll(t testing.TB, paths []string, img *Image, o *kernelOracle, bias uint64, opt Options) *kernelScore {
	t.Helper()
	scores := make([]*kernelScore, len(paths))
	g, ctx := errgroup.WithContext(context.Background())
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, path := range paths {
		g.Go(func() error {
			pre, err := elfdiff.Open(path)
			if err != nil {
				return err
			}
			r, err := Match(ctx, pre, img, opt)
			if err == nil {
				scores[i] = o.judge(pre, r, bias)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	sum := &kernelScore{}
	for _, s := range scores {
		sum.add(s)
	}
	return sum
}

// Environment variables of the long run: a folder of objects, and the vmlinux
// with symbols and relocations that they were linked into.
const (
	objectsEnv = "GOSPLICE_OBJECTS"
	vmlinuxEnv = "GOSPLICE_VMLINUX"
)

// TestObjects matches all objects of a folder with a vmlinux, with its symbols
// and without.
func TestObjects(t *testing.T) {
	dir, path := os.Getenv(objectsEnv), os.Getenv(vmlinuxEnv)
	if dir == "" || path == "" {
		t.Skipf("matches the objects in $%s with the image $%s", objectsEnv, vmlinuxEnv)
	}
	paths, img, o := objectsIn(t, dir), mustImage(t, path), openOracle(t, path)
	for _, opt := range []Options{{}, {NoSymbols: true}} {
		s := matchAll(t, paths, img, o, 0, opt)
		for _, line := range s.log {
			t.Log(line)
		}
		t.Log(s)
		if s.wrong+s.missing > 0 {
			t.Errorf("search %v: %d wrong, %d unresolved", opt.NoSymbols, s.wrong, s.missing)
		}
	}
}
