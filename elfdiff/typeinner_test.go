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

// TestInnerTypes: types inside others and inside functions are compared, closures among them, and what a class inherits.
func TestInnerTypes(t *testing.T) {
	testenv.Need(t, "gcc")
	const two, three = "long a, b;", "long first, a, b;"
	for _, c := range []struct {
		name, file, text string // %s are the members, or what is captured
		pre, post        string
		symbol           string // of the refusal
	}{
		{"in a class", "unit.cc", "struct outer { struct inner { %s }; };\nouter::inner *kept;\nlong f(long x) { return kept->b + x; }\n", two, three, "struct outer::struct inner"},
		{"in a function", "unit.c", "extern void *kept;\nlong f(long x) { struct inner { %s } *p = kept; { struct other { long a; } *q = kept; x += q->a; } return p->b + x; }\n", two, three, "f::struct inner"},
		{"in a block", "unit.c", "extern void *kept;\nlong f(long x) { if (x) { struct inner { %s } *p = kept; return p->b + x; } return 3; }\n", two, three, "f::struct inner"},
		{"a closure", "unit.cc", "extern long call(long (*)(void *), void *);\ntemplate <class T> void keep(T f) { call([](void *p) { return (*(T *)p)(); }, new T(f)); }\nvoid *operator new(unsigned long);\nvoid f(long x, long y, long z) { keep([=]() { return x %s; }); }\n", "+ y", "+ y * z", "f::closure"},
		{"inherited", "unit.cc", "struct base { %s };\nstruct derived : base { long c; };\nderived *kept;\nlong f(long x) { return kept->b + x; }\n", "long a, b;", "long b, a;", "struct base"},
		{"nothing", "unit.cc", "struct base { %s struct in { long x; }; };\nstruct derived : base { long c; };\nderived *kept; base::in *kept2;\nlong f(long x) { struct l { long y; } *p = (l *)kept; return kept->b + x + p->y + kept2->x + [&]() { return x; }(); }\n", two, two, ""},
	} {
		for _, b := range []build{{cc: "gcc", flags: []string{"-O2", "-g"}}, {cc: "gcc", flags: []string{"-O0", "-gdwarf-4"}}, {cc: "clang-14", flags: []string{"-O1", "-g"}}} {
			if _, err := exec.LookPath(b.cc); err != nil {
				continue
			}
			dir := t.TempDir()
			pre := b.compile(t, filepath.Join(dir, "pre"), c.file, fmt.Sprintf(c.text, c.pre))
			post := b.compile(t, filepath.Join(dir, "post"), c.file, fmt.Sprintf(c.text, c.post))
			d, err := Compare(mustOpen(t, pre), mustOpen(t, post), Options{Types: true})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for i := range d.Refusals {
				if d.Refusals[i].Code == CodeTypeLayout {
					got = append(got, d.Refusals[i].Symbol)
				}
			}
			if c.symbol == "" && len(got) > 0 || c.symbol != "" && !slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, c.symbol) }) {
				t.Errorf("%s, %s: refused %q, want %q\n%s", c.name, b, got, c.symbol, report(d))
			}
		}
	}
}

// TestTypeUnits: that types which have units of their own were not compared is said.
func TestTypeUnits(t *testing.T) {
	testenv.Need(t, "gcc")
	for _, version := range []string{"-gdwarf-4", "-gdwarf-5"} {
		b := build{cc: "gcc", flags: []string{"-O2", version, "-fdebug-types-section"}}
		const text = "struct s { %s };\nstruct s *kept;\nlong f(long x) { return kept->b + x; }\n"
		dir := t.TempDir()
		pre := b.compile(t, filepath.Join(dir, "pre"), "unit.cc", fmt.Sprintf(text, "long a, b;"))
		post := b.compile(t, filepath.Join(dir, "post"), "unit.cc", fmt.Sprintf(text, "long first, a, b;"))
		d, err := Compare(mustOpen(t, pre), mustOpen(t, post), Options{Types: true})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(d.Findings, func(f Finding) bool {
			return f.Code == CodeNoTypes && strings.Contains(f.Message, "-fdebug-types-section")
		}) {
			t.Errorf("%s: %s", version, report(d))
		}
	}
}
