package ktree

import (
	"strings"
	"testing"
)

// TestUnaffected asks which objects a change of a header concerns, twice: the second time
// it is known.
func TestUnaffected(t *testing.T) {
	files := map[string]string{
		"h.h":  "#define ONE 1\nstatic inline int f(int a)\n{\n\treturn a;\n}\nstatic inline int line(void) { return __LINE__; }\n",
		"a.c":  "#include \"h.h\"\nint a(void) { return f(1); }\n",
		"b.c":  "#include \"h.h\"\nint b(void) { return ONE; }\n",
		"l.c":  "#include \"h.h\"\nint l(void) { return line(); }\n",
		"s.S":  "#ifdef X\n#include \"h.h\"\n#endif\n.incbin \"blob\"\n",
		"blob": "data",
	}
	tree := fakeTree(t, t.TempDir(), files)
	units := []Unit{fakeUnit("gcc", "a.c"), fakeUnit("gcc", "b.c"), fakeUnit("gcc", "l.c"), fakeUnit("gcc", "s.S"), fakeUnit("gcc -fsanitize=undefined", "b.c")}
	with := func(old, new string) Overlay {
		return Overlay{"h.h": []byte(strings.Replace(files["h.h"], old, new, 1))}
	}
	rows := []struct {
		name    string
		overlay Overlay
		want    string // letters of those that are not affected
	}{
		{"comment", with("return a;", "return a; /* x */"), "abls"},
		{"line", with("return a;", "return\n\t\ta;"), "abs"},
		{"inline", with("return a;", "return a + 1;"), "bls"},
		{"macro", with("ONE 1", "ONE 2"), "als"},
		{"data", Overlay{"blob": []byte("other")}, "abl"},
		{"own source", Overlay{"b.c": []byte(files["b.c"] + "\n")}, "als"},
		{"it fails", with("return a;", "#error x"), "s"},
		{"nothing", nil, ""},
	}
	for range 2 {
		for _, r := range rows {
			why, err := tree.Unaffected(t.Context(), units, r.overlay)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for i := range why {
				if why[i] != "" {
					got += strings.TrimSuffix(units[i].Object, ".o")
				}
			}
			if got != r.want {
				t.Errorf("%s: %q not affected, want %q: %q", r.name, got, r.want, why)
			}
		}
	}
}
