// Package livekernel is what tests of matching and of the audit share: running kernels of
// machines, in each set-up.
package livekernel

import (
	"testing"

	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/reloc/image"
)

// A Setup is one way to boot a kernel.
type Setup struct {
	Name string
	Opt  vm.Options
	Long bool // only in long runs
}

// Setups returns ways to boot, for which the kernel rewrites itself in other ways.
func Setups() []Setup {
	return []Setup{
		{"auto", vm.Options{CPUs: 2}, false},
		{"off", vm.Options{Cmdline: []string{"mitigations=off", "nosmp"}}, false},
		{"max", vm.Options{CPUs: 2, CPUModel: "max"}, true},
		{"lfence", vm.Options{Cmdline: []string{"spectre_v2=retpoline,lfence", "nokaslr"}}, true},
		{"depth", vm.Options{CPUModel: "Skylake-Server", Cmdline: []string{"indirect_target_selection=force", "retbleed=stuff"}}, true},
		{"srso", vm.Options{CPUModel: "EPYC-Milan"}, true},
		{"srso alias", vm.Options{CPUModel: "EPYC"}, true},
	}
}

// Open opens the kernel of a machine.
func Open(t testing.TB, m *vm.Machine) *image.Image {
	t.Helper()
	img, err := image.NewRunning(m.FS(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { img.Close() })
	return img
}

// Snapshot copies what can be read of a kernel that stands still, so that it can
// be changed.
func Snapshot(t *testing.T, img *image.Image) (*image.Image, image.Segments) {
	t.Helper()
	var parts []image.Segment
	for _, r := range img.Regions() {
		if !r.Read {
			continue
		}
		b := make([]byte, r.End-r.Start)
		if err := img.ReadAddr(b, r.Start); err != nil {
			t.Fatal(err)
		}
		parts = append(parts, image.Segment{Addr: r.Start, Data: b})
	}
	mem, err := image.NewSegments(parts...)
	if err != nil {
		t.Fatal(err)
	}
	out, err := image.NewImage(mem, img.Regions(), img.Modules(), img.Symbols())
	if err != nil {
		t.Fatal(err)
	}
	return out, mem
}

// NameAt returns the name of the symbol that an address lies in.
func NameAt(img *image.Image, addr uint64) string {
	if s, _, ok := img.SymbolAt(addr); ok {
		return s.Name
	}
	return ""
}
