package module_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/splice/module"
)

// TestSetups has one module meet processors and mitigations for which the kernel
// rewrites itself in other ways. The proof must hold on all of them.
func TestSetups(t *testing.T) {
	vmtest.Long(t)
	t.Parallel()
	for _, c := range []struct {
		series, cpu, cmdline string
		long                 bool // only in long runs
	}{
		{"6.1", "max", "", true},
		{"6.1", "EPYC", "", true},
		{"6.1", "qemu64", "mitigations=off nokaslr", false},
		{"6.12", "max", "", true},
		{"6.12", "Skylake-Server", "retbleed=stuff", false},
	} {
		if c.long && !testenv.Asked(testenv.Long) {
			continue
		}
		t.Run(strings.ReplaceAll(c.series+" "+c.cpu+" "+c.cmdline, " ", "_"), func(t *testing.T) {
			b := newBench(t, c.series)
			m := vmtest.New(t, vm.Options{Kernel: &b.stock.Kernel, CPUModel: c.cpu, Cmdline: strings.Fields(c.cmdline), Log: vm.Policy{Taint: "OEK"}})
			var sources []source
			for _, p := range patches {
				if p.name == "large" || p.name == "meminfo" || p.name == "user_access" || p.name == "maps" {
					sources = append(sources, p.sources...)
				}
			}
			sources = append(sources, clocks...)
			mod := b.build(t, module.Options{Name: "fix"}, sources...)
			apply(t, m, mod)
			err := errors.Join(
				shows(t.Context(), m, "/proc/version", "fault caught", true),
				shows(t.Context(), m, "/proc/meminfo", "MemAll:", true),
				shows(t.Context(), m, clock, "<", true),
				unload(t.Context(), m, mod),
				shows(t.Context(), m, clock, "<", false),
				shows(t.Context(), m, "/proc/meminfo", "MemAll:", false))
			if err != nil {
				t.Error(err)
			}
		})
	}
}
