package image_test

import (
	"testing"

	"github.com/gosplice/gosplice/internal/kernel"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/reloc/image/internal/btf"
)

// TestOffsets has all structures that modules need of stock kernels read by both readers of
// BTF.
func TestOffsets(t *testing.T) {
	for _, release := range vmtest.Releases() {
		t.Run(release, func(t *testing.T) {
			path, err := vmtest.Need(t, release).Vmlinux(vmtest.Context(t))
			if err != nil {
				t.Fatal(err)
			}
			k, err := kernel.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer k.Close()
			layout, err := k.Layout()
			if err != nil {
				t.Fatal(err)
			}
			for s := range k.File.SectionsNamed(kerneltab.BTF) {
				b, err := s.Data()
				if err != nil {
					t.Fatal(err)
				}
				compareOffsets(t, b, layout)
			}
		})
	}
}

func compareOffsets(t *testing.T, b []byte, layout kernel.Layout) {
	t.Helper()
	n := 0
	for _, name := range []string{"klp_func", "klp_ops", "klp_object", "klp_patch", "klp_state"} {
		for member, want := range layout[name].Offsets {
			got, err := btf.Offsets(b, map[string][]string{name: {member}})
			if n++; err != nil || got[name][member] != want {
				t.Errorf("%s.%s: %v, %v, want %d", name, member, got, err, want)
			}
		}
	}
	if n < 15 {
		t.Errorf("%d members were compared", n)
	}
}
