package source

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/splice/source/patch"
)

// diff is a patch of one file with one hunk.
func diff(t *testing.T, name, file, section string, lines ...string) *patch.Patch {
	t.Helper()
	old, now := 0, 0
	for _, l := range lines {
		if l[0] != '+' {
			old++
		}
		if l[0] != '-' {
			now++
		}
	}
	text := fmt.Sprintf("--- a/%s\n+++ b/%s\n@@ -10,%d +10,%d @@ %s\n%s\n", file, file, old, now, section, strings.Join(lines, "\n"))
	list, err := patch.Read(name, strings.NewReader(text))
	if err != nil || len(list) != 1 {
		t.Fatalf("%v\n%s", err, text)
	}
	return list[0]
}

func TestKin(t *testing.T) {
	for _, c := range []struct {
		file, section string
		lines         []string
		want          string
	}{
		{"fs/a.c", "int foo(struct x *x)", []string{" \tint a;", "+\tlock(x);", " \treturn 0;"}, "foo"},
		{"fs/a.c", "static int foo(struct x *x)", []string{" \tint a;", "+\tlock(x);", " \treturn 0;"}, "foo fs/a.c"},
		{"fs/a.h", "static inline int foo(struct x *x)", []string{" \tint a;", "+\tlock(x);", " \treturn 0;"}, "foo"},
		{"fs/a.c", "int foo(void)", []string{" \treturn 0;", " }", " ", "+int bar(int (*f)(int))", "+{", "+\treturn f(1);", "+}"}, "bar"},
		{"fs/a.c", "int foo(void)", []string{" \treturn 0;", " }", " ", "-int old;", " "}, ""},
		{"fs/a.c", "SYSCALL_DEFINE2(dup2, int, a, int, b)", []string{" \tint c;", "-\tc = 0;", " \treturn c;"}, "dup2"},
		{"fs/a.c", "__printf(1, 2) void say(const char *f, ...)", []string{" \tint c;", "-\tc = 0;", " \treturn;"}, "say"},
		{"fs/a.h", "", []string{" #define A 1", "-#define BIT(x) (x)", "+#define BIT(x) (1 << (x))", " #define C 2"}, "BIT"},
		{"Documentation/a.rst", "int foo(void)", []string{" a", "+b", " c"}, ""},
	} {
		var got []string
		for _, k := range kin(diff(t, "p", c.file, c.section, c.lines...)) {
			got = append(got, strings.TrimSpace(k.name+" "+k.file))
		}
		if s := strings.Join(got, ", "); s != c.want {
			t.Errorf("%s: %q, want %q", c.section, s, c.want)
		}
	}
}

// TestFollow: a patch that takes a lock out of the caller is not carried without the one that has the
// function take it, and those that have nothing to do with either are.
func TestFollow(t *testing.T) {
	s := newSelection([]*patch.Patch{
		diff(t, "early", "fs/b.c", "int caller(void)", " \tint a;", "+\tfoo(0);", " \treturn 0;"),
		diff(t, "into", "fs/a.c", "int foo(struct x *x)", " \tint a;", "+\tlock(x);", " \treturn 0;"),
		diff(t, "apart", "fs/c.c", "int other(struct x *x)", " \tint a;", "+\tlock(x);", " \treturn 0;"),
		diff(t, "outof", "fs/b.c", "int caller(void)", " \tint a;", "-\tlock(x);", " \tfoo(x);"),
		diff(t, "next", "fs/d.c", "static int last(void)", " \tint a;", "-\tcaller();", " \treturn 0;"),
		diff(t, "same name", "fs/e.c", "static int last(void)", " \tint a;", "-\tmore();", " \treturn 0;"),
		diff(t, "own", "fs/d.c", "int user(void)", " \tint a;", "-\tlast();", " \treturn 0;"),
	})
	s.leaveOut(1, []string{"it is refused"})
	if !s.follow() || s.follow() {
		t.Error("nothing follows, or always more")
	}
	var out, needs []string
	for i, p := range s.patches {
		if s.out[i] {
			out = append(out, p.Name)
			needs = append(needs, strings.Join(s.needs[i], "+"))
		}
	}
	if got, want := strings.Join(out, ", "), "into, outof, next, own"; got != want {
		t.Errorf("left out are %s; want %s: %q", got, want, s.reasons)
	}
	if got, want := strings.Join(needs, ","), ",into,outof,next"; got != want {
		t.Errorf("needed are %s; want %s", got, want)
	}
	if !strings.Contains(s.reasons[3][0], "foo") || !strings.Contains(s.reasons[3][0], "into") {
		t.Errorf("%q", s.reasons[3])
	}
}
