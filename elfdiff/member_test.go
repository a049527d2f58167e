package elfdiff

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

const memberPre = `
typedef int (*fn)(int);
extern int first(int), second(int);
struct inner { short a; unsigned lo : 3, hi : 5; };
struct ops { const char *name; fn open; union { int number; fn alternative; }; struct inner in[2][3]; char text[8]; };
struct ops ops = { "one", first, { 1 }, { { { 1, 2, 3 } } }, "text" };
const struct ops table[2] = { { .open = first }, { .open = second } };
int grid[2][3] = { { 1, 2, 3 }, { 4, 5, 6 } };
int get(int i) { static struct inner local[3] = { { 1 }, { 2 }, { 3 } }; local[i].a++; return local[i].a + table[i].open(i); }
`

// TestMembers wants the members named whose initial values differ.
func TestMembers(t *testing.T) {
	testenv.Need(t, "gcc")
	post := []struct{ from, to string }{
		{`"one", first, { 1 }`, `"two", second, { 7 }`},
		{`{ 1, 2, 3 } }`, `{ 1, 2, 4 }, { 5 } }`},
		{`"text"`, `"tent"`},
		{`{ .open = second }`, `{ .open = first, .number = -1 }`},
		{`4, 5, 6`, `4, 50, 6`},
		{`{ 2 }, { 3 }`, `{ 2 }, { 30 }`},
	}
	text := memberPre
	for _, r := range post {
		text = replaceOnce(t, text, r.from, r.to)
	}
	want := map[string][]string{
		"ops": {
			`.name: "one" -> "two"`, ".open: first -> second", ".number: 1 -> 7",
			".in[0][0].hi: 3 -> 4", ".in[0][1].a: 0 -> 5", `.text: "text" -> "tent"`,
		},
		"table":   {"[1].open: second -> first", "[1].number: 0 -> -1"},
		"grid":    {"[1][1]: 5 -> 50"},
		"local.0": {"[2].a: 3 -> 30"},
	}
	for _, b := range []build{
		{"gcc", append([]string{"-O2", "-g", "-fno-pic"}, sectionFlags...)},
		{"gcc", []string{"-O1", "-gdwarf-4", "-fno-pic"}},
		{"clang-14", append([]string{"-O2", "-g", "-fno-pic"}, sectionFlags...)},
	} {
		t.Run(b.String(), func(t *testing.T) {
			testenv.Need(t, b.cc)
			dir := t.TempDir()
			d := mustCompare(t,
				b.compile(t, filepath.Join(dir, "pre"), "unit.c", memberPre),
				b.compile(t, filepath.Join(dir, "post"), "unit.c", text))
			found := 0
			for i := range d.Data {
				ch := &d.Data[i]
				w, ok := want[ch.Name]
				if ch.Name == "get.local" {
					w, ok = want["local.0"], true
				}
				if !ok {
					continue
				}
				found++
				var got []string
				for _, m := range d.DataMembers(ch) {
					got = append(got, m.String())
					if name := MemberAt(d.Post, ch.Post, m.Offset); m.Size > 1 && name != m.Name && m.Name != ".in[0][0].hi" {
						t.Errorf("%s+%#x is %q, and in the list %q", ch.Name, m.Offset, name, m.Name)
					}
				}
				if !slices.Equal(got, w) {
					t.Errorf("%s: %q, want %q", ch.Name, got, w)
				}
			}
			if found != len(want) {
				t.Errorf("found %d of %d variables\n%s", found, len(want), report(d))
			}
		})
	}
}

func replaceOnce(t *testing.T, s, from, to string) string {
	t.Helper()
	for i := range len(s) - len(from) + 1 {
		if s[i:i+len(from)] == from {
			return s[:i] + to + s[i+len(from):]
		}
	}
	t.Fatalf("%q is not in the source", from)
	return ""
}
