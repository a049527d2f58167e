package module_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/splice/module"
)

// testSoak loads and unloads one module again and again, and a module that it
// changes too, while the files that it changes are read, and looks for what stays
// behind.
func testSoak(t *testing.T, b *bench, m *vm.Machine) {
	cycles := testenv.Number(t, testenv.Cycles, 3)
	sources := append(vlan(), greeting...)
	sources = append(sources, version("", `	WARN_ON_ONCE(m->count == 54321); cond_resched();`)...)
	mod := b.build(t, module.Options{Name: "fix_soak"}, sources...)
	stop := load(t, m, "/proc/cmdline", "/proc/version", vlanConfig)
	defer stop()
	var slab, areas int
	for i := range cycles {
		apply(t, m, mod)
		err := errors.Join(m.Modprobe(t.Context(), "8021q", ""),
			shows(t.Context(), m, "/proc/cmdline", "patched", true), shows(t.Context(), m, vlanConfig, "patched", true),
			unload(t.Context(), m, mod), shows(t.Context(), m, vlanConfig, "patched", false), m.Unload(t.Context(), "8021q"))
		if err != nil {
			t.Fatal(err)
		}
		if i == 1 { // caches are warm
			slab, areas = usage(t, m)
		}
		if i%20 == 19 {
			t.Logf("%d cycles", i+1)
		}
	}
	s, a := usage(t, m)
	t.Logf("%d cycles: slab %d -> %d KiB, %d -> %d areas", cycles, slab, s, areas, a)
	if a > areas+1 || s > slab+512+cycles {
		t.Error("something stays behind")
	}
}

// load has a program of the guest read files until it is stopped.
func load(t *testing.T, m *vm.Machine, paths ...string) (stop func()) {
	t.Helper()
	exe, err := vmtest.BuildProgram(t.Context(), "github.com/gosplice/gosplice/splice/module/testdata/reader")
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Put(t.Context(), "/bin/reader", exe, 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = m.Run(ctx, vm.Command{Path: "/bin/reader", Args: paths}) })
	return func() { cancel(); wg.Wait() }
}

// usage returns the size of the slab in KiB, and the number of vmalloc areas.
func usage(t *testing.T, m *vm.Machine) (slab, areas int) {
	t.Helper()
	info, err := m.ReadFile(t.Context(), "/proc/meminfo")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := bytes.Cut(info, []byte("\nSlab:"))
	if _, err := fmt.Sscan(string(rest), &slab); err != nil {
		t.Fatal(err)
	}
	list, err := m.ReadFile(t.Context(), "/proc/vmallocinfo")
	if err != nil {
		t.Fatal(err)
	}
	return slab, bytes.Count(list, []byte("module")) + bytes.Count(list, []byte("load_module"))
}
