package reloc

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// compile makes an object from C source.
func compile(t *testing.T, dir, name, code string, args ...string) string {
	t.Helper()
	src := filepath.Join(dir, name+".c")
	if err := os.WriteFile(src, []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	o := filepath.Join(dir, name+".o")
	gcc(t, append(args, "-O2", "-g0", "-fPIE", "-c", "-o", o, src)...)
	return o
}

// twin is a file with a static function that others have as well, which only a
// pointer in data leads to.
const twin = `
__attribute__((noinline)) static int same(int x) { return x * 31 + 7; }
int (*TAG_fn)(int) = same;
int TAG(int x) { return TAG_fn(x) + VALUE; }
`

// TestSameNames matches files with static functions of the same name and body.
// No reference tells them apart but the pointer in data, and what symbols say
// about source files; without either they stay ambiguous.
func TestSameNames(t *testing.T) {
	testenv.Need(t, "gcc", "strip", "readelf")
	b := built{dir: t.TempDir()}
	args := []string{"-pie"}
	for i, tag := range []string{"one", "two", "three"} {
		b.objects = append(b.objects, compile(t, b.dir, tag, twin, "-DTAG="+tag, "-DTAG_fn="+tag+"_fn", "-DVALUE="+string(rune('1'+i))+"000", "-ffunction-sections", "-fdata-sections"))
	}
	args = append(args, b.objects...)
	args = append(args, compile(t, b.dir, "main", "int one(int), two(int), three(int);\nint main(int c, char **v) { return one(c) + two(c) + three(c); }\n"))
	b.link(t, args)
	o := readOracle(t, b.image)
	for i, tag := range []string{"one", "two", "three"} {
		for _, tt := range []struct {
			path string
			opt  Options
		}{{b.image, Options{}}, {b.stripped, Options{}}} {
			r := mustMatch(t, mustOpen(t, b.objects[i]), mustImage(t, tt.path), tt.opt)
			if s := judge(r, o, tag+".c", 0); s.wrong > 0 || s.matched != 2 {
				t.Errorf("%s: %v\n%v", tag, s, s.log)
			}
			for _, f := range r.Functions {
				t.Logf("%s %s: %v at %#x by %v", tag, f.Name, f.Verdict, f.Address, f.By)
			}
		}
	}
}

// TestAmbiguous matches a function of which run has two, and nothing decides.
func TestAmbiguous(t *testing.T) {
	testenv.Need(t, "gcc", "strip", "readelf")
	b := built{dir: t.TempDir()}
	const body = "int NAME(int x) { return x * 31 + (x >> 3) - 7; }\n"
	pre := compile(t, b.dir, "pre", body, "-DNAME=first")
	other := compile(t, b.dir, "other", body, "-DNAME=second")
	main := compile(t, b.dir, "main", "int first(int), second(int);\nint main(int c, char **v) { return first(c) + second(c); }\n")
	b.link(t, []string{"-pie", pre, other, main})
	o := readOracle(t, b.image)
	r := mustMatch(t, mustOpen(t, pre), mustImage(t, b.stripped), Options{})
	f := r.Functions[0]
	want := []uint64{o.global["first"][0], o.global["second"][0]}
	slices.Sort(want)
	if f.Verdict != Ambiguous || !slices.Equal(f.Candidates, want) || f.More {
		t.Errorf("%v %#x, want ambiguous %#x", f.Verdict, f.Candidates, want)
	}
	if _, ok := r.AtomAddr(f.Atom); ok {
		t.Error("an ambiguous function has an address")
	}
	// With main's object, its calls would decide; with symbols, the name does.
	r = mustMatch(t, mustOpen(t, pre), mustImage(t, b.image), Options{})
	if f := r.Functions[0]; f.Verdict != Matched || f.Address != o.global["first"][0] {
		t.Errorf("with symbols: %v at %#x", f.Verdict, f.Address)
	}
}

// TestWeak matches a weak definition that another one has replaced.
func TestWeak(t *testing.T) {
	testenv.Need(t, "gcc", "strip", "readelf")
	b := built{dir: t.TempDir()}
	pre := compile(t, b.dir, "pre", "__attribute__((weak, noinline)) int hook(int x) { return x * 131 + (x >> 3) - 7; }\nint user(int x) { return hook(x) + 1; }\n", "-ffunction-sections")
	other := compile(t, b.dir, "other", "int hook(int x) { return x ^ 0x5555; }\n")
	main := compile(t, b.dir, "main", "int user(int);\nint main(int c, char **v) { return user(c); }\n")
	b.link(t, []string{"-pie", "-Wl,--gc-sections", pre, other, main})
	o := readOracle(t, b.image)
	r := mustMatch(t, mustOpen(t, pre), mustImage(t, b.image), Options{})
	for _, f := range r.Functions {
		switch {
		case f.Name == "hook" && (f.Verdict != Absent || !f.Weak):
			t.Errorf("hook: %v, weak %v: %+v", f.Verdict, f.Weak, f.Mismatch)
		case f.Name == "user" && f.Verdict != Matched:
			t.Errorf("user: %v: %+v", f.Verdict, f.Mismatch)
		}
	}
	for _, v := range r.Symbols {
		if v.Name == "hook" && v.Address != o.global["hook"][0] {
			t.Errorf("hook is %#x, want %#x", v.Address, o.global["hook"][0])
		}
	}
}
