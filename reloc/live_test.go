package reloc

import (
	"os"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/vm"
)

// liveEnv names a folder of objects for the long run against running kernels,
// and releaseEnv the kernel that they are of.
const releaseEnv = "GOSPLICE_RELEASE"

// setups are ways to boot, for which the kernel rewrites itself in other ways.
var setups = []struct {
	name string
	opt  vm.Options
}{
	{"auto", vm.Options{}},
	{"off", vm.Options{Cmdline: []string{"mitigations=off", "nosmp"}}},
	{"smp", vm.Options{CPUs: 2, CPUModel: "max"}},
	{"lfence", vm.Options{Cmdline: []string{"spectre_v2=retpoline,lfence", "nokaslr"}}},
	{"its", vm.Options{CPUModel: "Skylake-Server", Cmdline: []string{"indirect_target_selection=force", "retbleed=stuff"}}},
	{"srso", vm.Options{CPUModel: "EPYC-Milan"}},
	{"srso alias", vm.Options{CPUModel: "EPYC"}},
}

// TestLiveObjects matches the objects of a folder with the memory of a running
// kernel in each set-up.
func TestLiveObjects(t *testing.T) {
	dir, path, release := os.Getenv(objectsEnv), os.Getenv(vmlinuxEnv), os.Getenv(releaseEnv)
	if dir == "" || path == "" || release == "" {
		t.Skipf("boots $%s, and matches the objects in $%s with it, by the vmlinux $%s", releaseEnv, objectsEnv, vmlinuxEnv)
	}
	k := vm.Need(t, release)
	paths, o := objectsIn(t, dir), openOracle(t, path)
	for _, s := range setups {
		t.Run(s.name, func(t *testing.T) {
			s.opt.Kernel = k
			g := look(t, boot(t, s.opt), o)
			img := g.image(t)
			for _, opt := range []Options{{}, {NoSymbols: true}} {
				if opt.NoSymbols && os.Getenv("GOSPLICE_SEARCH") == "" {
					continue
				}
				s := matchAll(t, paths, img, o, g.bias, opt)
				for _, line := range s.log {
					t.Log(strings.TrimPrefix(line, dir))
				}
				t.Logf("moved by %#x: %v", g.bias, s)
				if s.wrong+s.missing > 0 {
					t.Errorf("search %v: %d wrong, %d unresolved", opt.NoSymbols, s.wrong, s.missing)
				}
			}
		})
	}
}
