package elfdiff

import (
	"path/filepath"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// TestIdle: a small variable that nothing uses in pre can't be found, and is as it was: the update has one of its own. One that
// is used, that others can name, or that may be meant by a place in front of it stays where it is.
func TestIdle(t *testing.T) {
	testenv.Need(t, "gcc")
	for _, c := range []struct {
		name, text string
		travels    bool
	}{
		{"idle", "static int state;\nlong f(long x) { PATCH return x; }\n", true},
		{"with a value", "static long state = 7;\nlong f(long x) { PATCH return x; }\n", true},
		{"used", "static int state;\nlong g(void) { return state++; }\nlong f(long x) { PATCH return x; }\n", false},
		{"global", "int state;\nlong f(long x) { PATCH return x; }\n", false},
		{"of a table", "static int state __attribute__((section(\"list\"), used));\nlong f(long x) { PATCH return x; }\n", false},
	} {
		dir := t.TempDir()
		b := build{cc: "gcc", flags: []string{"-O0"}}
		pre := b.compile(t, filepath.Join(dir, "pre"), "unit.c", "#define PATCH\n"+c.text)
		post := b.compile(t, filepath.Join(dir, "post"), "unit.c", "#define PATCH state += x; x += state;\n"+c.text)
		d, err := Compare(mustOpen(t, pre), mustOpen(t, post), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if len(d.Refusals) > 0 {
			t.Errorf("%s: %s", c.name, report(d))
		}
		for i := range d.Post.Atoms {
			if a := &d.Post.Atoms[i]; a.Name == "state" && d.Included(object.AtomID(i)) != c.travels {
				t.Errorf("%s: travels: %t", c.name, !c.travels)
			}
		}
	}
}
