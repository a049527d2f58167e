package elfdiff

import (
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// TestProbeless adds a function that no kprobe may be put on.
func TestProbeless(t *testing.T) {
	testenv.Need(t, "gcc")
	const pre = "int x; void f(void) { x++; }\n"
	const post = `int x; static __attribute__((noinline)) void g(void) { x += 3; }
static unsigned long __attribute__((used, section("_kprobe_blacklist"))) _kbl_addr_g = (unsigned long)g;
void f(void) { g(); x++; }
`
	dir := t.TempDir()
	b := build{"gcc", []string{"-O2"}}
	d := compareTables(t, b.compile(t, dir+"/pre", "unit.c", pre), b.compile(t, dir+"/post", "unit.c", post))
	for _, f := range d.Findings {
		if f.Symbol == "_kbl_addr_g" && f.Severity == Ignored && f.Code == CodeTableEntry {
			return
		}
	}
	t.Errorf("nothing says that the mark is not carried\n%s", report(d))
}
