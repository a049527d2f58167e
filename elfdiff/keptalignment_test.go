package elfdiff

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// alignedText has variables around one; %s are what stands in front of all, and its attributes.
const alignedText = `%sstatic char front[3]; static unsigned char desc[64]%s; static int last = 3; int shared[4]; static const char text[7] = "text";
unsigned char *f(int x) { return desc + front[x & 1] + last + shared[1]; }
int g(int x) { return x + text[x & 3]%s; }
`

// TestKeptAlignment: a variable that post aligns more stays as it is, which is told; what only comes to
// stand elsewhere is not.
func TestKeptAlignment(t *testing.T) {
	testenv.Need(t, "gcc")
	for _, sections := range []string{"-fdata-sections", "-fno-data-sections"} {
		dir := t.TempDir()
		b := build{cc: "gcc", flags: []string{"-O2", "-ffunction-sections", sections}}
		pre := b.compile(t, filepath.Join(dir, "pre"), "unit.c", fmt.Sprintf(alignedText, "", "", ""))
		for n, c := range []struct{ name, front, attribute, more, want string }{
			{"nothing", "", "", "", ""},
			{"another function", "", "", " + 1", ""},
			{"more", "", " __attribute__((aligned(4096)))", "", "desc"},
			{"more, and another function", "", " __attribute__((aligned(4096)))", " + 1", "desc"},
			{"no more than it has", "", " __attribute__((aligned(8)))", "", ""},
			{"a new one that is aligned", "static int fresh __attribute__((aligned(512), used));\n", "", "", ""},
			{"others in front", "static char a __attribute__((used)), b[5] __attribute__((used)); static int c __attribute__((used)) = 4;\n", "", "", ""},
		} {
			d := mustCompare(t, pre, b.compile(t, filepath.Join(dir, fmt.Sprint(n)), "unit.c", fmt.Sprintf(alignedText, c.front, c.attribute, c.more)))
			var got []string
			for i := range d.Refusals {
				if d.Refusals[i].Code == CodeKeptAlignment {
					got = append(got, d.Refusals[i].Symbol)
				}
			}
			if s := strings.Join(got, " "); s != c.want || c.want != "" && d.Outcome() != OutcomeJudge {
				t.Errorf("%s, %s: %q, want %q, %s\n%s", sections, c.name, s, c.want, d.Outcome(), report(d))
			}
		}
	}
}
