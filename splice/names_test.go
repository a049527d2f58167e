package splice_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/testenv"
	"github.com/gosplice/gosplice/splice"
)

// namesMain calls what the cases have.
const namesMain = "int f(int); int main(int n, char **v) { return f(n); }\n"

// nameCases are programs in which several functions, or names, run at one address.
var nameCases = []struct {
	name, unit, other string // pre, and an object beside it; with PATCHED defined the unit is post
	code              splice.Code
	redirects         int
}{
	{name: "folded, one changes", code: splice.CodeSharedAddress, unit: `
		int one(int x) { return x * 3 + 7; }
		int two(int x) { return x * 3 + 7 P(+ 1); }
		int f(int x) { return one(x) ^ two(x); }`},
	{name: "folded, both change", code: splice.CodeSharedAddress, unit: `
		int one(int x) { return x * 3 + 7 P(+ 2); }
		int two(int x) { return x * 3 + 7 P(+ 1); }
		int f(int x) { return one(x) ^ two(x); }`},
	{name: "folded, both change alike", redirects: 1, unit: `
		int one(int x) { return x * 3 + 7 P(+ 1); }
		int two(int x) { return x * 3 + 7 P(+ 1); }
		int f(int x) { return one(x) ^ two(x); }`},
	{name: "folded with another object", code: splice.CodeSharedAddress, other: `
		int two(int x) { return x * 3 + 7; }`, unit: `
		int two(int);
		int one(int x) { return x * 3 + 7 P(+ 1); }
		int f(int x) { return one(x) ^ two(x); }`},
	{name: "folded static functions of one name", code: splice.CodeSharedAddress, other: `
		static int one(int x) { return x * 3 + 7; }
		int two(int x) { return one(x) + 1; }`, unit: `
		int two(int);
		static int one(int x) { return x * 3 + 7 P(+ 1); }
		int f(int x) { return one(x) ^ two(x); }`},
	{name: "a weak function that is replaced", code: splice.CodeSharedAddress, other: `
		int one(int x) { return x * 3 + 7; }`, unit: `
		__attribute__((weak)) int one(int x) { return x * 3 + 7 P(+ 1); }
		int f(int x) { return one(x); }`},
	{name: "a weak function", redirects: 1, unit: `
		__attribute__((weak)) int one(int x) { return x * 3 + 7 P(+ 1); }
		int f(int x) { return one(x); }`},
	{name: "an alias", redirects: 1, unit: `
		int one(int x) { return x * 3 + 7 P(+ 1); }
		int two(int) __attribute__((alias("one")));
		int f(int x) { return one(x) ^ two(x); }`},
}

// TestNames builds updates of programs that were linked with identical code folding.
func TestNames(t *testing.T) {
	testenv.Need(t, "gcc", "clang-14", "ld.lld-14")
	lld, _ := exec.LookPath("ld.lld-14")
	for _, c := range nameCases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			object := func(name, text string, flags ...string) string {
				src, out := filepath.Join(dir, name+".c"), filepath.Join(dir, name+".o")
				if err := os.WriteFile(src, []byte(text), 0o666); err != nil {
					t.Fatal(err)
				}
				command(t, "gcc", append(flags, "-O1", "-ffunction-sections", "-fno-ipa-icf", "-fno-inline", "-c", "-o", out, src)...)
				return out
			}
			f := files{image: filepath.Join(dir, "prog"), pre: object("pre", "#define P(x)\n"+c.unit), post: object("post", "#define P(x) x\n"+c.unit)}
			command(t, "clang-14", "--ld-path="+lld, "-Wl,--icf=all", "-o", f.image, object("main", namesMain), f.pre, object("other", c.other))
			u, err := f.build(t, openELF(t, f.image))
			if c.code == "" {
				if err != nil {
					t.Fatal(err)
				}
				if u.Redirects() != c.redirects {
					t.Errorf("%d redirects", u.Redirects())
				}
				return
			}
			var r *splice.Refusal
			if !errors.As(err, &r) || r.Code != c.code || r.Hint == "" {
				t.Errorf("%v", err)
			}
		})
	}
}

func command(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}
