package elfdiff

import (
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// TestVariableTypes gives a variable another type of the same size.
func TestVariableTypes(t *testing.T) {
	testenv.Need(t, "gcc")
	const head = "struct a { int n; }; struct b { int v; }; typedef int num; struct p { int x, y; }; struct w { union { struct a i; }; }; struct ww { struct w o; };\n"
	for _, c := range []struct {
		name, pre, post, use, reuse string
		judged                      bool
	}{
		{"structure", "struct a", "struct b", "v.n++", "v.v += 2", true},
		{"number and structure", "int", "struct b", "v++", "v.v += 2", true},
		{"number and float", "int", "float", "v++", "v += 2", true},
		{"pointers", "struct p *", "struct a *", "v->x++", "v->n += 2", true},
		{"array", "int __attribute__((vector_size(8)))", "struct p", "v[0]++", "v.x += 2", true},
		{"wrapped", "struct w", "struct a", "v.i.n++", "v.n += 2", false},
		{"wrapped twice", "struct ww", "struct a", "v.o.i.n++", "v.n += 2", true},
		{"sign", "int", "unsigned", "v++", "v += 2", false},
		{"typedef", "int", "volatile num", "v++", "v += 2", false},
		{"void", "void *", "struct p *", "v = 0", "v = (void *)8", false},
		{"same", "struct a", "struct a", "v.n++", "v.n += 2", false},
	} {
		source := func(typ, use string) string {
			return head + "static " + typ + " v; void *get(void) { return (void *)&v; }\nvoid f(void) { " + use + "; }\n"
		}
		dir := t.TempDir()
		b := build{"gcc", []string{"-O2", "-g"}}
		pre, post := b.compile(t, dir+"/pre", "unit.c", source(c.pre, c.use)), b.compile(t, dir+"/post", "unit.c", source(c.post, c.reuse))
		d := compareTables(t, pre, post)
		list, err := d.Types()
		if err != nil {
			t.Fatal(err)
		}
		judged := false
		for i := range list {
			if f := list[i].Finding(); f.Symbol == "v" && f.Accept != "" && f.Code == CodeTypeLayout && strings.Contains(f.Message, "used by f") {
				judged = true
			}
		}
		if judged != c.judged {
			t.Errorf("%s: judged %v, want %v: %+v", c.name, judged, c.judged, list)
		}
	}
}
