package source

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

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
		for _, k := range (*surroundings)(nil).kin(diff(t, "p", c.file, c.section, c.lines...)) {
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

// aroundSource has what hunks do not show: where definitions begin, and what is far from lines that change.
const aroundSource = `#include <linux/a.h>
struct kept {
	u8 count;
	int other;
};
static unsigned int
spread(struct kept *k)
{
	int a;
	lock(k);
	a = k->count;
out:
	return a;
}
#define SUM(a, b) \
	({ \
		(a) + \
		(b); \
	})
int open_one(struct kept *k, int a,
	     int b)
{
	spread(k);
	a++;
	b++;
	a--;
	b--;
	return a + b;
}
int after;
`

// TestAround finds the definition that a hunk is in, whatever its heading says.
func TestAround(t *testing.T) {
	dir := fstest.MapFS{"fs/a.c": {Data: []byte(aroundSource)}, "fs/a.h": {Data: []byte(aroundSource)}}
	for _, c := range []struct {
		file, section string
		line          int // of the source, which changes
		want, has     string
	}{
		{"fs/a.c", "", 10, "spread fs/a.c", "lock"},
		{"fs/a.h", "", 10, "spread", "lock"},
		{"fs/a.c", "out:", 13, "spread fs/a.c", "count"},
		{"fs/a.c", "spread(struct kept *k)", 13, "spread fs/a.c", "count"},
		{"fs/a.c", "", 18, "SUM", "b"},
		{"fs/a.c", "", 27, "open_one", "spread"},
		{"fs/a.c", "int elsewhere(void)", 27, "elsewhere, open_one", "spread"}, // where patches before it have moved lines
		{"fs/a.c", "", 30, "", "after"},
		{"fs/a.c", "", 3, "count fs/a.c", ""},
		{"fs/a.h", "", 3, "count", ""},
		{"fs/b.c", "int foo(void)", 3, "foo", ""},
	} {
		lines := strings.Split(aroundSource, "\n")
		old := lines[c.line-1]
		text := fmt.Sprintf("--- a/%s\n+++ b/%s\n@@ -%d,1 +%d,1 @@ %s\n-%s\n+%s\n", c.file, c.file, c.line, c.line, c.section, old, strings.Replace(old, "u8", "u16", 1)+" ")
		list, err := patch.Read("p", strings.NewReader(text))
		if err != nil || len(list) != 1 {
			t.Fatalf("%v\n%s", err, text)
		}
		s := &surroundings{base: dir}
		var got []string
		for _, k := range s.kin(list[0]) {
			got = append(got, strings.TrimSpace(k.name+" "+k.file))
		}
		words := map[string]bool{}
		s.add(list[0], words)
		if text := strings.Join(got, ", "); text != c.want || c.has != "" && c.has != "after" && !words[c.has] || words["after"] {
			t.Errorf("%s:%d %q: %q, want %q; %v", c.file, c.line, c.section, text, c.want, words)
		}
	}
}

// TestMembers follows a member whose type is another, where the structure is known, and none that only has
// its name, is new, or moves.
func TestMembers(t *testing.T) {
	for _, c := range []struct {
		name  string
		lines []string // of the structure
		user  string
		knows bool // the object has the header
		want  bool
	}{
		{"another type", []string{" \tint a;", "-\tu8 count;", "+\tu16 count;", " \tint b;"}, "x->count = 300;", true, true},
		{"of something else", []string{" \tint a;", "-\tu8 count;", "+\tu16 count;", " \tint b;"}, "x->count = 300;", false, false},
		{"a variable", []string{" \tint a;", "-\tu8 count;", "+\tu16 count;", " \tint b;"}, "count = 300;", true, false},
		{"a bit field", []string{" \tint a;", "-\tu8 count:1;", "+\tu8 count : 2;", " \tint b;"}, "x.count = 3;", true, true},
		{"an array", []string{" \tint a;", "-\tu8 count[4];", "+\tu8 count[8];", " \tint b;"}, "x.count[7] = 3;", true, true},
		{"a function", []string{" \tint a;", "-\tint (*count)(void);", "+\tint (*count)(int);", " \tint b;"}, "x.count(1);", true, true},
		{"new", []string{" \tint a;", "+\tu16 count;", " \tint b;"}, "x->count = 300;", true, false},
		{"moved", []string{" \tint a;", "+\tu16 count;", " \tint b;", "-\tu16 count;"}, "x->count = 300;", true, false},
	} {
		s := newSelection([]*patch.Patch{
			diff(t, "header", "include/a.h", "struct x {", c.lines...),
			diff(t, "user", "fs/b.c", "int caller(void)", " \tint a;", "+\t"+c.user, " \treturn 0;"),
		})
		s.made["fs/b.c"] = map[string]bool{"include/a.h": c.knows}
		s.leaveOut(0, []string{"it is refused"})
		if s.follow(); s.out[1] != c.want {
			t.Errorf("%s: left out %v: %q", c.name, s.out[1], s.reasons[1])
		}
	}
}

// TestFollowParts leaves out, of one patch, the function that is called with its caller: that takes the lock
// which the caller takes no more. A patch of its own stays without those behind it, and so do headers.
func TestFollowParts(t *testing.T) {
	for _, c := range []struct {
		name, file, of string
		lines          []string // of the caller
		want           bool
	}{
		{"of the same", "fs/a.c", "whole", []string{" \tint a;", "-\tlock(x);", " \tfoo(x);"}, true},
		{"far from what it calls", "fs/a.c", "whole", []string{" \tint a;", "-\tlock(x);", " \treturn x;"}, false},
		{"an earlier patch", "fs/a.c", "", []string{" \tint a;", "-\tlock(x);", " \tfoo(x);"}, false},
		{"a header", "fs/a.h", "whole", []string{" \tint a;", "-\tlock(x);", " \tfoo(x);"}, false},
	} {
		s := newSelection([]*patch.Patch{
			diff(t, "into", c.file, "int foo(struct x *x)", " \tint a;", "+\tlock(x);", " \treturn 0;"),
			diff(t, "outof", "fs/b.c", "int caller(void)", c.lines...),
		})
		for _, p := range s.patches {
			p.Of = c.of
		}
		s.leaveOut(1, []string{"it is refused"})
		s.follow()
		if s.out[0] != c.want || c.want && (!strings.Contains(s.reasons[0][0], "it changes foo, which outof has") || s.needs[0][0] != "outof") {
			t.Errorf("%s: left out %v, %q, needs %q", c.name, s.out[0], s.reasons[0], s.needs[0])
		}
	}
}
