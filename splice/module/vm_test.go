package module_test

import (
	"testing"

	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/splice/module"
)

// patch is a change of the kernel's source with an effect that a file shows.
type patch struct {
	name    string
	sources []source
	path    string // of the file
	want    string // what it holds once the patch is active, and only then
}

var patches = []patch{
	{"string", change("fs/proc/cmdline.c", "seq_putc(m, '\\n');", `seq_puts(m, " patched=yes\n");`), "/proc/cmdline", "patched=yes"},
}

// TestPatches loads each patch into a stock kernel, and removes it.
func TestPatches(t *testing.T) {
	b := newBench(t)
	m := vm.New(t, vm.Options{Kernel: b.stock, CPUs: 2, Log: vm.Policy{Taint: "OEK"}})
	for _, p := range patches {
		t.Run(p.name, func(t *testing.T) {
			ctx := t.Context()
			mod := b.build(t, module.Options{Name: "fix_" + p.name, Description: p.name}, p.sources...)
			if err := shows(ctx, m, p.path, p.want, false); err != nil {
				t.Fatal(err)
			}
			if err := m.Load(ctx, mod.Bytes(), ""); err != nil {
				t.Fatal(err)
			}
			if err := settle(ctx, m, mod.Name); err != nil {
				t.Fatal(err)
			}
			if err := shows(ctx, m, p.path, p.want, true); err != nil {
				t.Error(err)
			}
			if err := unload(ctx, m, mod.Name); err != nil {
				t.Fatal(err)
			}
			if err := shows(ctx, m, p.path, p.want, false); err != nil {
				t.Error(err)
			}
		})
	}
}
