package elfdiff

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

const (
	closureText = "typedef long (*fn)(long);\nextern void keep(fn), keep2(fn);\nvoid hand(long n) { %s}\n"
	blockText   = "long f(long n) { %sif (n == 7) { static long last; last += n; return last; } return 0; }\n"
	guardText   = "struct list { long n; list(long); ~list(); };\nlong f(long n) { static list first(n); %sreturn first.n + n; }\n"
)

// TestOrdinals: closures, and static variables of one name in one function, have numbers in the order of the source.
// One that comes in front of another takes its name, and is another thing all the same: who has the address of the
// old one must not come to it, and it must not take the other's state.
func TestOrdinals(t *testing.T) {
	testenv.Need(t, "gcc")
	const five, minus, more = "keep([](long y) { return y + 5; }); ", "keep2([](long y) { return y - 5; }); ", "keep([](long y) { return y * 1000; }); "
	const another = "if (n == 3) { static long last; last += 2 * n; return last; } "
	for _, c := range []struct{ name, text, pre, post, changed, refused string }{
		{"behind", closureText, five + minus, five + minus + more, "_Z4handl", ""},
		{"in front", closureText, five + minus, more + five + minus, "_Z4handl", ""},
		{"first gone", closureText, five + minus, minus, "_Z4handl", ""},
		{"swapped", closureText, five + minus, minus + five, "_Z4handl", ""},
		{"in front, and another changed", closureText, five + minus, more + "keep([](long y) { return y + 6; }); " + minus, "_Z4handl", "old-callback"},
		{"one changed", closureText, five + minus, "keep([](long y) { return y + 6; }); " + minus, "closure", ""},
		{"a block in front", blockText, "", another, "_Z1fl", "ambiguous-static"},
		{"beside a guard", guardText, "", "static list second(n + 1), third(n + 2); n += second.n + third.n; ", "_Z1fl", ""},
	} {
		for _, b := range ordinalBuilds {
			if _, err := exec.LookPath(b.cc); err != nil {
				continue
			}
			dir := t.TempDir()
			pre := b.compile(t, filepath.Join(dir, "pre"), "unit.cc", fmt.Sprintf(c.text, c.pre))
			d := mustCompare(t, pre, b.compile(t, filepath.Join(dir, "post"), "unit.cc", fmt.Sprintf(c.text, c.post)))
			var changed, refused []string
			for i := range d.Functions {
				if f := &d.Functions[i]; f.Status == Changed && strings.HasPrefix(f.Name, "_ZZ4hand") {
					changed = append(changed, "closure")
				} else if f.Status == Changed {
					changed = append(changed, f.Name)
				}
			}
			changed = slices.DeleteFunc(changed, func(name string) bool { return strings.HasSuffix(name, ".cold") })
			for i := range d.Refusals {
				refused = append(refused, string(d.Refusals[i].Code))
			}
			slices.Sort(refused)
			if got, codes := strings.Join(slices.Compact(changed), " "), strings.Join(slices.Compact(refused), " "); got != c.changed || codes != c.refused {
				t.Errorf("%s, %s: changed %q, want %q; refused %q, want %q\n%s", c.name, b, got, c.changed, codes, c.refused, report(d))
			}
		}
	}
}

var ordinalBuilds = []build{
	{cc: "gcc", flags: []string{"-O2"}}, {cc: "gcc", flags: []string{"-O0"}}, {cc: "gcc", flags: []string{"-Os", "-fPIC"}},
	{cc: "clang-14", flags: []string{"-O2"}}, {cc: "clang-14", flags: []string{"-O0", "-fPIC"}},
}
