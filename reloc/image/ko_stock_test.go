package image

import (
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/debkernel"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
)

// TestStockModules opens all modules of a kernel, and of another one some: what
// they refer to and the kernel does not export, some module does.
func TestStockModules(t *testing.T) {
	for _, tt := range []struct {
		release string
		every   int
	}{{"6.1", 1}, {"6.12", 10}} {
		if testing.Short() {
			tt.every = 20
		}
		t.Run(tt.release, func(t *testing.T) {
			k := vmtest.Need(t, tt.release)
			kernel := MustKernel(t, k.Image)
			names, err := k.Modules()
			if err != nil {
				t.Fatal(err)
			}
			exports, wanted := make(map[string]bool), make(map[string]string)
			n := 0
			for i, name := range names {
				if i%tt.every != 0 {
					continue
				}
				n++
				for _, s := range openStock(t, k, kernel, name).Symbols() {
					if s.Module == NoModule {
						wanted[s.Name] = name
					}
					if export, ok := strings.CutPrefix(s.Name, ksymtab); ok {
						exports[export] = true
					}
				}
			}
			missing := 0
			for name, module := range wanted {
				if !exports[name] {
					missing++
				}
				if !exports[name] && tt.every == 1 {
					t.Errorf("%s needs %s, which nobody exports", module, name)
				}
			}
			t.Logf("%d modules, %d symbols of other modules, %d of modules not opened", n, len(wanted), missing)
		})
	}
}

func openStock(t *testing.T, k *debkernel.Kernel, kernel *Image, name string) *Image {
	t.Helper()
	b, err := k.Module(name)
	if err != nil {
		t.Fatal(err)
	}
	f, err := elfobj.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	img, err := newModule(f, name+".ko", ModuleOptions{Kernel: kernel})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if got := img.Modules()[0].Name; got != name {
		t.Errorf("%s is called %s", name, got)
	}
	return img
}
