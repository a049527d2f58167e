package elfdiff

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/symname"
)

// explainCases are changes of which something else than the function itself is
// the reason, and what Explain has to say: code and symbol.
var explainCases = []struct {
	name, pre, post string
	function        string
	want            []string
	gccOnly         bool
}{
	{
		name:     "callee",
		pre:      "static inline __attribute__((always_inline)) int step(int x) { return x * 777; }\nint f(int x) { return step(x) + 1; }\nint g(int x) { return step(x) - 1; }\n",
		post:     "static inline __attribute__((always_inline)) int step(int x) { return x * 999; }\nint f(int x) { return step(x) + 1; }\nint g(int x) { return step(x) - 1; }\n",
		function: "f",
		want:     []string{"inlined step"},
	},
	{
		// the argument differs, not what it is given to
		name:     "argument",
		pre:      "static inline __attribute__((always_inline)) int step(int x) { return x * 777; }\nextern int get(int);\nint f(int x) { return step(get(1000)); }\nint g(int x) { return step(x) - 1; }\n",
		post:     "static inline __attribute__((always_inline)) int step(int x) { return x * 777; }\nextern int get(int);\nint f(int x) { return step(get(2000)); }\nint g(int x) { return step(x) - 1; }\n",
		function: "f",
	},
	{
		name:     "nested",
		pre:      "static inline __attribute__((always_inline)) int in(int x) { return x ^ 7; }\nstatic inline __attribute__((always_inline)) int out(int x) { return in(x) * 3; }\nint f(int x) { return out(x) + 1; }\n",
		post:     "static inline __attribute__((always_inline)) int in(int x) { return x ^ 9; }\nstatic inline __attribute__((always_inline)) int out(int x) { return in(x) * 3; }\nint f(int x) { return out(x) + 1; }\n",
		function: "f",
		want:     []string{"inlined in"},
	},
	{
		name:     "decision",
		pre:      "extern int puts(const char *);\nstatic __attribute__((noinline)) int help(int x) { puts(\"a\"); return x * 3; }\nint f(int x) { return help(x) + 1; }\n",
		post:     "extern int puts(const char *);\nstatic inline __attribute__((always_inline)) int help(int x) { puts(\"a\"); return x * 3; }\nint f(int x) { return help(x) + 1; }\n",
		function: "f",
		want:     []string{"inlining help"},
	},
	{
		name:     "own",
		pre:      "int f(int x) { return x + 1; }\n",
		post:     "int f(int x) { return x + 2; }\n",
		function: "f",
	},
	{
		name:     "layout",
		pre:      "struct s { long a, b; };\nlong f(struct s *p) { return p->b; }\n",
		post:     "struct s { long a, new[40], b; };\nlong f(struct s *p) { return p->b; }\n",
		function: "f",
		want:     []string{"layout struct s"},
	},
	{
		name:     "isra",
		pre:      "struct s { int a, b; };\nstatic __attribute__((noinline)) int help(struct s *p) { return p->a * 7; }\nint f(struct s *p) { return help(p) + 1; }\n",
		post:     "struct s { int a, b; };\nstatic __attribute__((noinline)) int help(struct s *p) { return p->a * 7 + (p->b++ > 4); }\nint f(struct s *p) { return help(p) + 1; }\n",
		function: "help.isra.0",
		want:     []string{"renamed help"},
		gccOnly:  true,
	},
}

func TestExplain(t *testing.T) {
	testenv.Serial(t)
	testenv.Need(t, "gcc")
	for _, b := range []build{
		{"gcc", append([]string{"-O2", "-g"}, sectionFlags...)},
		{"gcc", []string{"-O2", "-gdwarf-4"}},
		{"clang-14", append([]string{"-O2", "-g"}, sectionFlags...)},
	} {
		for _, c := range explainCases {
			t.Run(b.String()+"/"+c.name, func(t *testing.T) {
				if c.gccOnly && b.cc != "gcc" {
					t.Skip("only gcc does that")
				}
				testenv.Need(t, b.cc)
				dir := t.TempDir()
				d := mustCompare(t,
					b.compile(t, filepath.Join(dir, "pre"), "unit.c", c.pre),
					b.compile(t, filepath.Join(dir, "post"), "unit.c", c.post))
				var got []string
				found := false
				for i := range d.Functions {
					if ch := &d.Functions[i]; ch.Name == c.function && ch.Status != verdict.Same {
						found = true
						for _, e := range d.Explain(ch) {
							got = append(got, string(e.Code)+" "+e.Symbol)
						}
					}
				}
				if !found || !slices.Equal(got, c.want) {
					t.Errorf("%s (%v): %q, want %q\n%s", c.function, found, got, c.want, report(d))
				}
			})
		}
	}
}

// TestVariant takes names apart.
func TestVariant(t *testing.T) {
	for name, want := range map[string][]string{
		"foo":                     {"foo"},
		"foo.isra.0":              {"foo", "isra"},
		"foo.isra.0.cold":         {"foo", "isra", "cold"},
		"foo.constprop.3.part.12": {"foo", "constprop", "part"},
		"count.4":                 {"count"},
		"foo.llvm.123456789":      {"foo", "llvm"},
	} {
		base, what := symname.Variant(name)
		if got := append([]string{base}, what...); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
