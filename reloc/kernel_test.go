package reloc

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/lab/kbuild"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/reloc/image"
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

// matchSet matches objects as a set and has the oracle judge the results.
func matchSet(t testing.TB, paths []string, img *image.Image, o *kernelOracle, bias uint64, opt Options) (*kernelScore, *Set) {
	t.Helper()
	open := func(i int) (*object.Object, error) { return elfdiff.Open(paths[i]) }
	set, err := MatchAll(t.Context(), len(paths), open, img, opt)
	if err != nil {
		t.Fatal(err)
	}
	sum := &kernelScore{}
	for i, r := range set.Results {
		sum.add(o.judge(mustOpen(t, paths[i]), r, bias))
	}
	for _, c := range set.Conflicts {
		sum.wrong++
		sum.complain("%s is %v", c.Name, c.Claims)
	}
	return sum, set
}

// longRun returns what a long run works on: the folder of objects, the vmlinux with
// symbols and relocations that they were linked into, and what more words say. Where
// one of them is not given, the run is left out: what says what it does.
func longRun(t testing.TB, what string, more ...testenv.Word) (dir, vmlinux string, rest []string) {
	t.Helper()
	values := testenv.NeedValues(t, what, append([]testenv.Word{testenv.Objects, testenv.Vmlinux}, more...)...)
	return values[0], values[1], values[2:]
}

// TestObjects matches all objects of a folder with a vmlinux, with its symbols
// and without, and where there is one with the vmlinuz.
func TestObjects(t *testing.T) {
	dir, path, _ := longRun(t, "matches objects with a vmlinux, and with a vmlinuz that is given")
	matchStock(t, objectsIn(t, dir), path, testenv.Value(testenv.Vmlinuz))
}

// stockSources are a sample of what is built into every kernel: core code with
// every kind of site, code that has in it which kernel it is, and a file that has
// flags of its own, in a folder that kbuild enters twice.
var stockSources = slices.Concat(liveSources, []string{
	"kernel/sys.c", "lib/dump_stack.c", "init/do_mounts.c", "arch/x86/lib/cmdline.c",
})

// TestStockObjects matches a sample of objects with stock kernels: vmlinux, with
// its symbols and without, and vmlinuz.
func TestStockObjects(t *testing.T) {
	for _, series := range vmtest.Releases() {
		t.Run(series, func(t *testing.T) {
			k := vmtest.Need(t, series)
			tree := kbuild.Need(t, k)
			vmlinux, err := k.Vmlinux(vmtest.Context(t))
			if errors.Is(err, deb.ErrUnavailable) {
				testenv.Skip(t, "%v", err)
			}
			if err != nil {
				t.Fatal(err)
			}
			paths, err := tree.CompileAll(t.Context(), stockSources...)
			if err != nil {
				t.Fatal(err)
			}
			matchStock(t, paths, vmlinux, k.Image)
		})
	}
}

// matchStock matches objects with each image of their kernel, in each way, and has
// vmlinux's symbols and relocations judge.
func matchStock(t *testing.T, paths []string, vmlinux, vmlinuz string) {
	full := openOracle(t, vmlinux)
	packed := *full
	packed.fileless = true
	for _, v := range []struct {
		name, path string
		o          *kernelOracle
		opt        Options
	}{
		{"vmlinux", vmlinux, full, Options{}},
		{"vmlinux search", vmlinux, full, Options{NoSymbols: true}},
		{"vmlinuz", vmlinuz, &packed, Options{}},
		{"vmlinuz search", vmlinuz, full, Options{NoSymbols: true}},
	} {
		if v.path == "" || v.opt.NoSymbols && testing.Short() {
			continue
		}
		t.Run(v.name, func(t *testing.T) {
			begin := time.Now()
			s, _ := matchSet(t, paths, mustOpenKernel(t, v.path), v.o, 0, v.opt)
			for _, line := range s.log {
				t.Log(line)
			}
			t.Logf("%v: %v", time.Since(begin).Round(time.Millisecond), s)
			if s.wrong+s.missing > 0 {
				t.Errorf("%d wrong, %d unresolved", s.wrong, s.missing)
			}
		})
	}
}
