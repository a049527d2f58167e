package elfdiff

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// flagText has flags that are set once, in a table of the program, with names of their lines. F, G and H are
// what comes in front of functions, and in them.
const flagText = `extern int printf(const char *, ...);
#define CAT2(a,b) a##b
#define CAT(a,b) CAT2(a,b)
#define FLAG(n) static int CAT(once_, __LINE__) __attribute__((section("once_flags"), used)); static inline int test_##n(void) { if (CAT(once_, __LINE__)) return 0; return CAT(once_, __LINE__) = 1; }
`

func flagged(name string) string {
	return "FLAG(" + name + ")\n" + strings.ReplaceAll("int NAME(int x) { if (x < 0 && test_NAME()) printf(\"NAME\\n\"); return x * 3; }\n", "NAME", name)
}

func unflagged(name string) string { return "int " + name + "(int x) { return x * 3; }\n" }

// TestLineFlags: the flag of one function is not the one of another, wherever both stand.
func TestLineFlags(t *testing.T) {
	testenv.Need(t, "gcc")
	for _, c := range []struct{ name, pre, post, removed, added string }{
		{"one goes, one comes behind", flagged("f") + flagged("g") + unflagged("h"), unflagged("f") + "\n" + flagged("g") + flagged("h"), "once_5", "once_9"},
		{"at the same place", flagged("g") + flagged("f") + unflagged("h"), flagged("g") + unflagged("f") + flagged("h"), "once_7", "once_8"},
		{"moved", flagged("f") + flagged("g"), "\n\n" + flagged("f") + flagged("g"), "", ""},
		{"in another order", flagged("f") + flagged("g"), "\n" + flagged("g") + flagged("f"), "", ""},
		{"one comes", flagged("g") + unflagged("h"), "\n" + flagged("g") + flagged("h"), "", "once_8"},
	} {
		dir := t.TempDir()
		b := build{cc: "gcc", flags: []string{"-O2"}}
		d := mustCompare(t, b.compile(t, filepath.Join(dir, "pre"), "unit.c", flagText+c.pre), b.compile(t, filepath.Join(dir, "post"), "unit.c", flagText+c.post))
		var removed, added []string
		for i := range d.Data {
			switch ch := &d.Data[i]; {
			case ch.Kind == object.Data && ch.Status == verdict.Removed:
				removed = append(removed, ch.Name)
			case ch.Kind == object.Data && ch.Status == verdict.New:
				added = append(added, ch.Name)
			}
		}
		if r, a := strings.Join(removed, " "), strings.Join(added, " "); r != c.removed || a != c.added {
			t.Errorf("%s: %q removed, %q new; want %q and %q\n%s", c.name, r, a, c.removed, c.added, report(d))
		}
	}
}
