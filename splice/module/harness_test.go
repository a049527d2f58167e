package module_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/debkernel"
	"github.com/gosplice/gosplice/internal/lab/kbuild"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/splice/module"
)

// A bench is what all tests of one kernel share.
type bench struct {
	stock  *debkernel.Kernel
	tree   *kbuild.Tree
	kernel *module.Kernel
	// objtool is the tool that has to see the objects first; "" when the build
	// did so.
	objtool string
	mu      sync.Mutex
	targets map[string]*module.Target
}

// target opens a module of the kernel's package, once.
func (b *bench) target(t testing.TB, name string) *module.Target {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.targets[name] == nil {
		path, err := b.stock.ModulePath(name)
		if err != nil {
			t.Fatal(err)
		}
		to, err := b.kernel.OpenModule(path)
		if err != nil {
			t.Fatal(err)
		}
		b.targets[name] = to
	}
	return b.targets[name]
}

// kernels opens the image of each series once.
var kernels = map[string]func() (*module.Kernel, error){
	"6.1": sync.OnceValues(opener("6.1")), "6.12": sync.OnceValues(opener("6.12")),
}

func opener(series string) func() (*module.Kernel, error) {
	return func() (*module.Kernel, error) {
		k, err := debkernel.Stock(context.Background(), series)
		if err != nil {
			return nil, err
		}
		path, err := k.Vmlinux(context.Background())
		if err != nil {
			return nil, err
		}
		m, err := module.OpenKernel(path)
		if err != nil {
			return nil, err
		}
		if path, err = k.Symvers(context.Background()); err != nil { // it has the exports of modules
			return nil, err
		}
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return m, m.UseSymvers(f)
	}
}

func newBench(t testing.TB, series string) *bench {
	t.Helper()
	stock := vmtest.Need(t, series)
	k, err := kernels[series]()
	if errors.Is(err, deb.ErrUnavailable) {
		testenv.Skip(t, "%v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{stock: stock, tree: kbuild.Need(t, stock), kernel: k, targets: map[string]*module.Target{}}
	if series != "6.1" { // built with IBT: objtool has seen the whole image only
		if b.objtool, err = stock.Objtool(vmtest.Context(t)); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// source is a changed file.
type source struct {
	file   string
	edits  []kbuild.Edit
	module string // that the file is part of, "" for built-in code
	accept []elfdiff.Acceptance
}

// change is a change of one file: pairs of old and new text.
func change(file string, edits ...string) []source {
	s := source{file: file}
	for i := 0; i+1 < len(edits); i += 2 {
		s.edits = append(s.edits, kbuild.Edit{Old: edits[i], New: edits[i+1]})
	}
	return []source{s}
}

// changeIn is change for a file of a module.
func changeIn(name, file string, edits ...string) []source {
	s := change(file, edits...)
	s[0].module = name
	return s
}

// pair compiles, compares and matches.
func (b *bench) pair(t testing.TB, s source) (module.Pair, error) {
	t.Helper()
	open := func(edits ...kbuild.Edit) *object.Object {
		path, err := b.tree.Compile(t.Context(), s.file, edits...)
		if err != nil {
			t.Fatal(err)
		}
		if b.objtool != "" {
			if path, err = b.kernel.Objtool(vmtest.Context(t), b.objtool, path, t.TempDir()); err != nil {
				t.Fatal(err)
			}
		}
		o, err := elfdiff.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	pre, post := open(), open(s.edits...)
	opt := elfdiff.Options{Tables: true, Accept: s.accept}
	if s.module != "" {
		return b.compareIn(t.Context(), b.target(t, s.module), pre, post, opt)
	}
	return b.compareIn(t.Context(), nil, pre, post, opt)
}

func (b *bench) compare(ctx context.Context, pre, post *object.Object) (module.Pair, error) {
	return b.compareIn(ctx, nil, pre, post, elfdiff.Options{Tables: true})
}

func (b *bench) compareIn(ctx context.Context, to *module.Target, pre, post *object.Object, opt elfdiff.Options) (module.Pair, error) {
	run := b.kernel.Run()
	if to != nil {
		run = to.Run()
	}
	d, err := elfdiff.Compare(pre, post, opt)
	if err != nil {
		return module.Pair{}, err
	}
	m, err := reloc.Match(ctx, pre, run, reloc.Options{})
	return module.Pair{Diff: d, Match: m, Target: to}, err
}

// build makes the module of some changes.
func (b *bench) build(t testing.TB, opt module.Options, sources ...source) *module.Module {
	t.Helper()
	var pairs []module.Pair
	for _, s := range sources {
		p, err := b.pair(t, s)
		if err != nil {
			t.Fatal(err)
		}
		pairs = append(pairs, p)
	}
	start := time.Now()
	m, err := module.Build(b.kernel, opt, pairs...)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %d functions, %d bytes in %v", m.Name, len(m.Functions), len(m.Bytes()), time.Since(start))
	return m
}

// patience is for hosts that have too much to do.
const patience = 5 * time.Minute

const livepatch = "/sys/kernel/livepatch/"

// settle waits until a transition is over.
func settle(ctx context.Context, m *vm.Machine, name string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return m.WaitFile(ctx, livepatch+name+"/transition", "0")
}

// unload disables an update, and removes its module, or is refused that when it is
// pinned.
func unload(ctx context.Context, m *vm.Machine, mod *module.Module) error {
	return remove(ctx, m, mod.Name, mod.Pinned)
}

func remove(ctx context.Context, m *vm.Machine, name string, pinned bool) error {
	if err := m.WriteFile(ctx, livepatch+name+"/enabled", []byte("0")); err != nil {
		return err
	}
	for deadline := time.Now().Add(patience); ; {
		_, enabled := m.ReadFile(ctx, livepatch+name+"/enabled")
		err := m.Unload(ctx, name)
		switch {
		case err == nil && pinned:
			return fmt.Errorf("%s is pinned, and was removed", name)
		case err == nil, pinned && enabled != nil && errors.Is(err, syscall.EBUSY):
			return nil
		case time.Now().After(deadline):
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// shows checks what a file of the guest holds.
func shows(ctx context.Context, m *vm.Machine, path, want string, there bool) error {
	b, err := m.ReadFile(ctx, path)
	if err != nil {
		return err
	}
	if strings.Contains(string(b), want) != there {
		return fmt.Errorf("%s holds %.200q; %q in it: want %v", path, b, want, there)
	}
	return nil
}
