package module_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/splice/module"
)

// cpus is the number of processors of the machines. With two, an emulated kernel
// can hang when the function tracer's calls are switched often: QEMU 7.2 goes on
// with a translation of the breakpoint that the kernel's own code patching had
// there, while memory has the nop again, as a debugger at QEMU's port showed. With 6.1
// three soaks under load hung after 40 to 140 cycles, of which one was looked into; a
// 6.12 was seen to trap on such a breakpoint. Long soaks are for one processor, and so
// are the patches here: one that switches a tracepoint hung with two.
var cpus = map[string]int{"6.1": 2, "6.12": 1}

// TestPatches loads each patch into a stock kernel, and removes it. One is looked at
// while it is active.
func TestPatches(t *testing.T) {
	vmtest.Long(t)
	t.Parallel()
	for _, series := range []string{"6.1", "6.12"} {
		t.Run(series, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, series)
			m := vmtest.New(t, vm.Options{Kernel: &b.stock.Kernel, CPUs: 1, Log: vm.Policy{
				Taint: "OEKW", Allow: []string{`version_proc_show\+.*\[fix_warning\]`}, // what that one shows
			}})
			t.Run("redirected", func(t *testing.T) { testRedirected(t, b, m) })
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
	mod := b.build(t, module.Options{Name: "fix_" + p.name, Description: p.name, Accept: []elfdiff.Acceptance{{Code: p.accept}}}, p.sources...)
	if err := shows(ctx, m, p.path, p.want, p.not); err != nil {
		t.Fatal(err)
	}
	if err := m.Load(ctx, mod.Bytes(), ""); err != nil {
		t.Fatal(err)
	}
	err := settle(ctx, m, mod.Name)
	if p.write[0] != "" {
		err = errors.Join(err, m.WriteFile(ctx, p.write[0], []byte(p.write[1])))
	}
	err = errors.Join(err, shows(ctx, m, p.path, p.want, !p.not), shows(ctx, m, p.path, p.want, !p.not))
	if p.shows[0] != "" {
		err = errors.Join(err, shows(ctx, m, p.shows[0], p.shows[1], true))
	}
	if p.write[0] != "" {
		err = errors.Join(err, m.WriteFile(ctx, p.write[0], []byte(p.write[2])))
	}
	if err != nil {
		t.Error(err)
	}
	if log, err := m.Log(ctx); err != nil || !slices.ContainsFunc(log, func(r vm.Record) bool { return strings.Contains(r.Text, p.logged) }) {
		t.Errorf("the log does not say %q, %v", p.logged, err)
	}
	if err := unload(ctx, m, mod); err != nil {
		t.Fatal(err)
	}
	if err := shows(ctx, m, p.path, p.want, p.not); err != nil {
		t.Error(err)
	}
}
