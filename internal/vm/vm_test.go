package vm_test

import (
	"testing"

	"github.com/gosplice/gosplice/internal/vm"
)

var series = []string{"6.1", "6.12"}

func TestBoot(t *testing.T) {
	for _, s := range series {
		t.Run(s, func(t *testing.T) {
			k := vm.Need(t, s)
			m := vm.New(t, vm.Options{Kernel: k})
			t.Logf("%s: %s after %v", k.Package, m.Release, m.BootTime)
			if m.Release != k.Release {
				t.Errorf("booted %q, want %q", m.Release, k.Release)
			}
			log, err := m.Log(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range log {
				t.Log(r)
			}
		})
	}
}
