package fixes_test

import (
	"errors"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/debkernel"
	"github.com/gosplice/gosplice/internal/lab/kbuild"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/splice/module"
)

// bench makes updates for one kernel.
type bench struct {
	stock   *debkernel.Kernel
	tree    *kbuild.Tree
	kernel  *module.Kernel
	objtool string // the tool that has to see objects first, "" for none
}

func newBench(t *testing.T, series string) *bench {
	t.Helper()
	b := &bench{stock: vmtest.Need(t, series)}
	b.tree = kbuild.Need(t, b.stock)
	path, err := b.stock.Vmlinux(t.Context())
	if errors.Is(err, deb.ErrUnavailable) {
		testenv.Skip(t, "%v", err)
	}
	if err == nil {
		b.kernel, err = module.OpenKernel(path)
	}
	if err == nil && series != "6.1" { // built with IBT
		b.objtool, err = b.stock.Objtool(vmtest.Context(t))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.kernel.Close() })
	return b
}

// A change of one file.
type change struct {
	name, file string
	edits      []kbuild.Edit
}

// object compiles a file.
func (b *bench) object(t *testing.T, file string, edits ...kbuild.Edit) *object.Object {
	t.Helper()
	path, err := b.tree.Compile(t.Context(), file, edits...)
	if err == nil && b.objtool != "" {
		path, err = b.kernel.Objtool(vmtest.Context(t), b.objtool, path, t.TempDir())
	}
	if err != nil {
		t.Fatal(err)
	}
	o, err := elfdiff.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Close() })
	return o
}

// pair compares and matches. Base are edits that both sides have.
func (b *bench) pair(t *testing.T, c *change, base ...kbuild.Edit) module.Pair {
	t.Helper()
	pre := b.object(t, c.file, base...)
	post := b.object(t, c.file, append(base, c.edits...)...)
	d, err := elfdiff.Compare(pre, post, elfdiff.Options{Tables: true})
	if err != nil {
		t.Fatal(err)
	}
	m, err := reloc.Match(t.Context(), pre, b.kernel.Run(), reloc.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return module.Pair{Diff: d, Match: m, Fixes: []string{c.name}}
}

// build makes one update of changes.
func (b *bench) build(t *testing.T, name string, list ...*change) *module.Module {
	t.Helper()
	opt := module.Options{Name: name}
	var pairs []module.Pair
	for _, c := range list {
		opt.Fixes = append(opt.Fixes, c.name)
		pairs = append(pairs, b.pair(t, c))
	}
	m, err := module.Build(b.kernel, opt, pairs...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}
