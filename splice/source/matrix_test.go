package source_test

import (
	"debug/elf"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/ktree"
	"github.com/gosplice/gosplice/internal/lab/behaviour"
	"github.com/gosplice/gosplice/internal/lab/livekernel"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/reloc/audit"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/source"
	"github.com/gosplice/gosplice/splice/source/distro"
	"github.com/gosplice/gosplice/splice/source/patch"
)

const (
	matrixObjects = 200
	matrixCases   = 30
	widest        = 20 // objects of a case
)

// TestMatrix takes kernels of Debian, of any release, flavour and compiler, through all that
// there is, and logs a line of a table about each: objects are compiled and found in the
// vmlinux without its symbols, which then judge; the kernel boots and is audited; updates
// are made of patches, loaded, shown, and taken back. One command does it, of which the
// packages, the compilers in folders of their own, and what was compiled are kept:
//
//	GOSPLICE_TEST=kernel,kernels=7.3.4+deb13-cloud-amd64:6.1.0-57-amd64 go test -v -timeout 5h -run TestMatrix ./splice/source
func TestMatrix(t *testing.T) {
	list := testenv.NeedValues(t, "takes kernels through all that there is", testenv.Kernels)[0]
	vmtest.Long(t)
	all, err := behaviour.Load("testdata/patches")
	if err != nil {
		t.Fatal(err)
	}
	for release := range strings.SplitSeq(list, ":") {
		t.Run(release, func(t *testing.T) {
			row := newMatrixRow(t, release)
			t.Run("match", row.match)
			t.Run("audit", row.audit)
			t.Run("patches", func(t *testing.T) { row.patches(t, narrow(all)) })
			t.Log(row)
		})
	}
}

// narrow returns some of the cases that a program sees, from all of the list.
func narrow(all []*behaviour.Case) []*behaviour.Case {
	var list []*behaviour.Case
	for _, c := range all {
		if c.Outcome == "made" && c.Objects[1] <= widest && len(c.Expect) > 0 {
			list = append(list, c)
		}
	}
	every := max(1, len(list)/matrixCases)
	var some []*behaviour.Case
	for i := 0; i < len(list) && len(some) < matrixCases; i += every {
		some = append(some, list[i])
	}
	return some
}

// matrixRow is what became of one kernel.
type matrixRow struct {
	shown    shown
	compiler string

	objects, functions, matched, wrong int // of objects that were compiled
	searched                           int // matched without symbols
	running, copies, freed             int // in memory: matched, of several copies one, and no more there since the kernel has started
	paths                              []string
	bytes                              uint64 // of code that were audited
	findings                           int

	applied, made, live int  // patches
	small               bool // much of the source is not built
}

func (r *matrixRow) String() string {
	return fmt.Sprintf("| %s | %s | %d of %d, %d without symbols, %d in memory beside %d with copies and %d of the start, in %d objects | %d | %d in %.1f MB | %d of %d | %d |",
		r.shown.kernel.Release, r.compiler, r.matched, r.functions, r.searched, r.running, r.copies, r.freed, r.objects, r.wrong, r.findings, float64(r.bytes)/1e6, r.made, r.applied, r.live)
}

// suites are where kernels come from whose compiler this system does not have.
var suites = []struct{ has, suite string }{{"5.10.", "bullseye"}, {"+deb13", "trixie"}, {"+deb12", ""}, {"6.12.", "trixie"}}

func newMatrixRow(t *testing.T, release string) *matrixRow {
	files, err := distro.Debian(vmtest.Context(t), release, distro.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := &matrixRow{shown: shown{
		files: files, builders: map[string]*source.Builder{},
		kernel: &vm.Kernel{Release: files.Release, Image: files.Boot, ModuleDir: files.Modules},
	}}
	for _, s := range suites {
		if strings.Contains(files.Release, s.has) {
			r.shown.suite = s.suite
			break
		}
	}
	r.compiler = r.shown.builder(t, &behaviour.Case{}).Identity().Compiler
	return r
}

// match compiles some of what is built in, and has the symbols of vmlinux judge where it is
// found without them.
func (r *matrixRow) match(t *testing.T) {
	r.paths = r.compile(t)
	img, err := image.OpenKernel(r.shown.files.Image)
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	names := symbolsOf(t, r.shown.files.Image)
	r.objects = len(r.paths)
	for _, opt := range []reloc.Options{{}, {NoSymbols: true}} {
		open := func(i int) (*object.Object, error) { return elfdiff.Open(r.paths[i]) }
		set, err := reloc.MatchAll(t.Context(), len(r.paths), open, img, opt)
		if err != nil {
			t.Fatal(err)
		}
		for i, one := range set.Results {
			for k := range one.Functions {
				r.judge(t, filepath.Base(r.paths[i]), &one.Functions[k], names, opt.NoSymbols)
			}
		}
		for _, c := range set.Conflicts {
			r.wrong++
			t.Errorf("%s: %v", c.Name, c.Claims)
		}
	}
}

// judge counts a function. Where another object defines what is weak in its own, the linker
// leaves the code in the image, without a symbol.
func (r *matrixRow) judge(t *testing.T, object string, f *reloc.FuncResult, names map[uint64][]string, search bool) {
	matched := f.Verdict == reloc.Matched
	if matched && f.Name != "" && !f.Weak && !slices.Contains(names[f.Address], f.Name) {
		r.wrong++
		t.Errorf("%s: %s: at %#x, where %q are", object, f.Name, f.Address, names[f.Address])
	}
	switch {
	case search && matched:
		r.searched++
	case search:
	case matched || f.Weak && f.Replacement != 0:
		r.functions, r.matched = r.functions+1, r.matched+1
	default:
		r.functions++
		t.Logf("%s: %s: %v %v %s", object, f.Name, f.Verdict, f.Mismatch, f.Undecided)
	}
}

// compile compiles a sample of what is built in.
func (r *matrixRow) compile(t *testing.T) []string {
	ctx := vmtest.Context(t)
	tree := r.tree(t)
	units, err := tree.Units(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var some []ktree.Unit
	for _, u := range units.All() {
		if u.Module == "" && u.Special == "" && strings.HasSuffix(u.Source, ".c") {
			some = append(some, u)
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	rng.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
	objects, err := tree.Compile(ctx, some[:min(matrixObjects, len(some))], nil)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, o := range objects {
		if o.Err != nil {
			t.Errorf("%s: %v", o.Unit.Source, o.Err)
			continue
		}
		paths = append(paths, o.Path)
	}
	return paths
}

// tree opens the tree that the builder has prepared.
func (r *matrixRow) tree(t *testing.T) *ktree.Tree {
	f, ctx := r.shown.files, vmtest.Context(t)
	cache, err := deb.OpenCache()
	if err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile(f.Config)
	if err != nil {
		t.Fatal(err)
	}
	root, err := ktree.Buildroot(ctx, cache.Dir(), r.shown.suite, config, nil)
	if err != nil {
		t.Fatal(err)
	}
	k, err := module.OpenKernel(f.Image)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	banner, err := k.Banner()
	if err != nil {
		t.Fatal(err)
	}
	tree, err := ktree.Open(ctx, ktree.Spec{
		Source: f.Source, Config: f.Config, Release: f.Release, Banner: banner, Make: f.Make,
		Buildroot: root, Cache: cache.Dir(), Jobs: runtime.NumCPU(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// symbolsOf maps the addresses of a vmlinux to the names that its symbol table has for them.
func symbolsOf(t *testing.T, vmlinux string) map[uint64][]string {
	f, err := elf.Open(vmlinux)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	list, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	names := map[uint64][]string{}
	for _, s := range list {
		names[s.Value] = append(names[s.Value], s.Name)
	}
	return names
}

// audit finds the objects in the booted kernel, and compares all of it with its file.
func (r *matrixRow) audit(t *testing.T) {
	m := vmtest.New(t, vm.Options{Kernel: r.shown.kernel, CPUs: 1})
	if r.small && !r.has(t, "CONFIG_KALLSYMS_ALL") {
		hidden(t, m)
		return
	}
	img, _ := livekernel.Snapshot(t, livekernel.Open(t, m))
	open := func(i int) (*object.Object, error) { return elfdiff.Open(r.paths[i]) }
	set, err := reloc.MatchAll(t.Context(), len(r.paths), open, img, reloc.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, one := range set.Results {
		for k := range one.Functions {
			switch f := &one.Functions[k]; {
			case f.Verdict == reloc.Matched:
				r.running++
			case f.Verdict == reloc.Ambiguous: // it has copies elsewhere, and nothing tells them apart
				r.copies++
				t.Logf("%s: %s: %s", filepath.Base(r.paths[i]), f.Name, f.Undecided)
			case !f.Freed && !(f.Weak && f.Replacement != 0):
				t.Errorf("%s: %s: %v %v %s", filepath.Base(r.paths[i]), f.Name, f.Verdict, f.Mismatch, f.Undecided)
			default:
				r.freed++
			}
		}
	}
	a, err := audit.Kernel(t.Context(), r.shown.files.Image, img)
	if err != nil {
		t.Fatal(err)
	}
	r.bytes, r.findings = a.Bytes, len(a.Findings)
	for i := range a.Findings {
		t.Error(&a.Findings[i])
	}
	if len(a.Patches) > 0 {
		t.Errorf("patches %+v", a.Patches)
	}
	t.Logf("%d sites by their place only", a.Opaque)
}

// patches makes and shows updates. A patch that does not apply to this source, or does not
// compile there, counts for nothing.
func (r *matrixRow) patches(t *testing.T, list []*behaviour.Case) {
	boot := sync.OnceValue(func() *behaviour.Bench { return r.shown.boot(t, list) })
	for _, c := range list {
		patches, err := patch.ReadFiles(c.Patch)
		if err != nil {
			t.Fatal(err)
		}
		patches[0].Name = c.Name + ".patch"
		var one *source.Result
		if err := r.shown.builder(t, c).Each(vmtest.Context(t), patches, func(x *source.Result) error { one = x; return nil }); err != nil {
			t.Error(err)
			continue
		}
		if one.Outcome == source.OutcomeFailed || r.small && (one.Outcome == source.OutcomeIgnored || one.Outcome == source.OutcomeNoChange) {
			t.Logf("%s: not for this source, or what is built of it: %v", c.Name, one.Refusals)
			continue
		}
		r.applied++
		if one.Update == nil {
			t.Errorf("%s: %s: %v", c.Name, one.Outcome, one.Refusals)
			continue
		}
		r.made++
		u := behaviour.Update{Name: one.Update.Name, Image: one.Update.Bytes(), Pinned: one.Update.Pinned}
		if err := boot().Run(t.Context(), c, u); err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		r.live++
	}
}
