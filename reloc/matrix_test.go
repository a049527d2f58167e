package reloc

import (
	"fmt"
	"os/exec"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// matrix lists the ways to build. Unless [testenv.Long] is asked for, it is a
// part of them in which every option occurs with every other.
func matrix() []config {
	var out []config
	n := 0
	for _, opt := range []string{"-O0", "-O1", "-O2", "-O3", "-Os"} {
		for _, link := range []string{"pie", "nopie", "static", "shared"} {
			for bits := range 8 {
				c := config{opt: opt, link: link, sections: bits&1 != 0, cf: bits&2 != 0, noPLT: bits&4 != 0}
				n++
				if testenv.Asked(testenv.Long) || n%9 == 0 || bits == 0 && opt == "-O2" {
					out = append(out, c)
				}
			}
		}
	}
	for _, linker := range []string{"gold", "lld"} {
		if _, err := exec.LookPath("ld." + linker); err == nil {
			for _, link := range []string{"pie", "nopie", "static", "shared"} {
				out = append(out, config{opt: "-O2", link: link, linker: linker, noPLT: link == "pie", cf: link == "nopie"})
			}
		}
	}
	return out
}

// TestMatrix matches every object of a program with the linked program, with
// its symbols and without. No value may be wrong; with symbols every function
// is located.
func TestMatrix(t *testing.T) {
	for _, c := range matrix() {
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			b := build(t, c, victims...)
			o := readOracle(t, b.image)
			for _, run := range []struct {
				name string
				path string
				opt  Options
			}{{"symbols", b.image, Options{}}, {"stripped", b.stripped, Options{}}, {"search", b.image, Options{NoSymbols: true}}} {
				img := mustImage(t, run.path)
				var total score
				for i, name := range victims {
					total.add(judge(mustMatch(t, mustOpen(t, b.objects[i]), img, run.opt), o, name+".c", 0))
				}
				t.Logf("%s: %v", run.name, total)
				if total.wrong > 0 || total.other > 0 || run.name == "symbols" && total.ambiguous > 0 {
					for _, l := range total.log {
						t.Log(l)
					}
					t.Errorf("%s: %v", run.name, total)
				} else if testing.Verbose() {
					for _, l := range total.log {
						fmt.Println("   ", l)
					}
				}
			}
		})
	}
}
