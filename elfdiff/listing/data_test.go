package listing

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/verdict"
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
	d, err := elfdiff.Compare(
		compile(t, filepath.Join(dir, "pre.c"), text("", "30", "2")),
		compile(t, filepath.Join(dir, "post.c"), text(" { 5, 6, second },", "31", "3")), elfdiff.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{
		"ids":    {"> [2].vendor 05 00", "> [2].device 06 00", "> [2].probe second", ">  00 00 00 00"},
		"limits": {"|  0a 00 00 00 14 00 00 00 1f 00 00 00"},
	}
	marks := "| mark_two 03 00 00 00"
	for i := range d.Data {
		ch := &d.Data[i]
		if ch.Status != verdict.Changed {
			continue
		}
		var got []string
		for _, l := range Of(d, ch) {
			if l.Mark != Same {
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
		t.Errorf("not changed: %v", want)
	}
}

// compile compiles a file with gcc.
func compile(t *testing.T, name, source string) *elfdiff.Object {
	t.Helper()
	if err := os.WriteFile(name, []byte(source), 0o666); err != nil {
		t.Fatal(err)
	}
	out := strings.TrimSuffix(name, ".c") + ".o"
	if said, err := exec.Command("gcc", "-O2", "-g", "-fno-pic", "-ffunction-sections", "-fdata-sections", "-c", name, "-o", out).CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, said)
	}
	o, err := elfdiff.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	return o
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
