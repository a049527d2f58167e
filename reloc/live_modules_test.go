package reloc

import (
	"bytes"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/internal/lab/livekernel"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/vm"
)

// modules are those that are loaded: between them they have most of what a module may hold.
var modules = []string{"dummy", "overlay", "nf_conntrack", "veth"}

// TestLiveModules matches modules that are loaded with their own files, as the
// kernel counts calls in the padding of their functions and as it does not.
func TestLiveModules(t *testing.T) {
	vm.Long(t)
	for _, series := range vm.Releases() {
		k := vm.Need(t, series)
		for _, s := range livekernel.Setups() {
			if s.Name != "depth" && !(testenv.Asked(testenv.Long) || s.Name == "off") {
				continue
			}
			t.Run(series+"/"+s.Name, func(t *testing.T) {
				s.Opt.Kernel, s.Opt.Modules = k, modules
				img := livekernel.Open(t, vm.New(t, s.Opt))
				for _, name := range modules {
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
					if s.Name == "depth" && series == "6.12" && name == "overlay" && rows["call depth"] == 0 {
						t.Errorf("%s: no padding counts calls", name)
					}
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
				}
			})
		}
	}
}
