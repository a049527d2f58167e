package elfdiff

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// TestListingMembers wants an element that was put into a table to stand alone,
// and the members of what changed to be named.
func TestListingMembers(t *testing.T) {
	testenv.Need(t, "gcc")
	const source = `
typedef int (*fn)(int);
extern int first(int), second(int);
struct id { unsigned short vendor, device; fn probe; };
const struct id ids[] = { { 1, 2, first }, { 3, 4 },%s { 7, 8, second } };
int limits[3] = { 10, 20, %d };
__asm__(".pushsection .data.marks,\"aw\"\n.type marks,@object\n.size marks,8\nmarks: .long 1\nmark_two: .long %d\n.popsection");
`
	text := func(inserted string, a, b string) string {
		return strings.NewReplacer("%s", inserted, "20, %d", "20, "+a, "long %d", "long "+b).Replace(source)
	}
	dir := t.TempDir()
	b := build{"gcc", append([]string{"-O2", "-g", "-fno-pic"}, sectionFlags...)}
	d := mustCompare(t,
		b.compile(t, filepath.Join(dir, "pre"), "unit.c", text("", "30", "2")),
		b.compile(t, filepath.Join(dir, "post"), "unit.c", text(" { 5, 6, second },", "31", "3")))
	want := map[string][]string{
		"ids":    {"> [2].vendor 05 00", "> [2].device 06 00", "> [2].probe second", ">  00 00 00 00"},
		"limits": {"|  0a 00 00 00 14 00 00 00 1f 00 00 00"},
	}
	marks := "| mark_two 03 00 00 00"
	for i := range d.Data {
		ch := &d.Data[i]
		if ch.Status != Changed {
			continue
		}
		var got []string
		for _, l := range d.Listing(ch) {
			if l.Mark != LineSame {
				text := strings.TrimSpace(strings.TrimSuffix(l.Post, l.PostSide.Member))
				got = append(got, l.Mark.String()+" "+l.PostSide.Member+" "+text)
			}
		}
		switch w, ok := want[ch.Name]; {
		case ok && !sameSet(got, w):
			t.Errorf("%s:\n%s", ch.Name, strings.Join(got, "\n"))
		case !ok && !sameSet(got, []string{marks}):
			t.Errorf("%s:\n%s", ch.Name, strings.Join(got, "\n"))
		}
		delete(want, ch.Name)
	}
	if len(want) > 0 {
		t.Errorf("not changed: %v\n%s", want, report(d))
	}
}

// sameSet compares without regard to order.
func sameSet(a, b []string) bool {
	count := map[string]int{}
	for _, s := range a {
		count[s]++
	}
	for _, s := range b {
		count[s]--
	}
	for _, n := range count {
		if n != 0 {
			return false
		}
	}
	return len(a) == len(b)
}

func TestWithoutIndices(t *testing.T) {
	for _, c := range [][2]string{{"", ""}, {".a", ".a"}, {"[12].a[0][3].b", "[].a[][].b"}, {"[", "["}, {"a]b", "a]b"}} {
		if got := withoutIndices(c[0]); got != c[1] {
			t.Errorf("%q becomes %q, want %q", c[0], got, c[1])
		}
	}
}
