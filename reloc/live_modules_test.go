package reloc

import (
	"bytes"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/reloc/image"
)

// modules are those that are loaded: between them they have most of what a module may hold.
var modules = []string{"dummy", "overlay", "nf_conntrack", "veth"}

// withModules are the set-ups in which modules are matched: where the kernel counts
// calls in the padding of their functions, and where it does not; in long runs all.
func withModules(setup string) bool {
	return setup == "off" || setup == "depth" || testenv.Asked(testenv.Long)
}

// matchModules loads modules, and matches them with their own files.
func matchModules(t *testing.T, m *vm.Machine, series, setup string) {
	for _, name := range modules {
		if err := m.Modprobe(t.Context(), name, ""); err != nil {
			t.Fatal(err)
		}
	}
	img := still(t, m)
	for _, name := range modules {
		rows := matchModule(t, m.Kernel, img, name)
		if setup == "depth" && series == "6.12" && name == "overlay" && rows["call depth"] == 0 {
			t.Errorf("%s: no padding counts calls", name)
		}
	}
}

// matchModule matches a module, and counts the sites that the kernel has rewritten.
func matchModule(t *testing.T, k *vm.Kernel, img *image.Image, name string) map[string]int {
	t.Helper()
	b, err := k.Module(name)
	if err != nil {
		t.Fatal(err)
	}
	pre, err := elfdiff.NewObject(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	r := mustMatch(t, pre, img, Options{Module: name})
	rows := make(map[string]int)
	rewrittenRows(t, pre, r, img, nil, rows)
	matched, rest := 0, 0
	for i := range r.Functions {
		f := &r.Functions[i]
		switch {
		case f.Verdict == Matched && (f.Name == "" || img.HasNameAt(f.Name, f.Address)):
			matched++
		case f.Verdict == Absent && f.Freed:
		default:
			rest++
			t.Errorf("%s: %s is %v: %v", name, f.Name, f.Verdict, f.Mismatch)
		}
	}
	t.Logf("%s: %d functions match, %d do not; sites other than in pre: %v", name, matched, rest, rows)
	return rows
}
