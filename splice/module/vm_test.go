package module_test

import (
	"errors"
	"testing"

	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/splice/module"
)

// cpus is the number of processors of the machines. With two, an emulated 6.12
// was seen once to trap on a breakpoint that its own code patching had removed
// again, in code that no livepatch touches.
var cpus = map[string]int{"6.1": 2, "6.12": 1}

// TestPatches loads each patch into a stock kernel, and removes it.
func TestPatches(t *testing.T) {
	t.Parallel()
	for _, series := range []string{"6.1", "6.12"} {
		t.Run(series, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, series)
			m := vm.New(t, vm.Options{Kernel: b.stock, CPUs: cpus[series], Log: vm.Policy{Taint: "OEK"}})
			for _, p := range patches {
				if p.only == "" || p.only == series {
					t.Run(p.name, func(t *testing.T) { p.test(t, b, m) })
				}
			}
		})
	}
}

func (p *patch) test(t *testing.T, b *bench, m *vm.Machine) {
	ctx := t.Context()
	mod := b.build(t, module.Options{Name: "fix_" + p.name, Description: p.name}, p.sources...)
	if err := shows(ctx, m, p.path, p.want, p.not); err != nil {
		t.Fatal(err)
	}
	if err := m.Load(ctx, mod.Bytes(), ""); err != nil {
		t.Fatal(err)
	}
	err := errors.Join(settle(ctx, m, mod.Name), shows(ctx, m, p.path, p.want, !p.not), shows(ctx, m, p.path, p.want, !p.not))
	if err != nil {
		t.Error(err)
	}
	if err := unload(ctx, m, mod.Name); err != nil {
		t.Fatal(err)
	}
	if err := shows(ctx, m, p.path, p.want, p.not); err != nil {
		t.Error(err)
	}
}
