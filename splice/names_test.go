package splice_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
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
	{name: "a new common variable", redirects: 1, unit: `
		int count;
		P(int fresh;)
		int f(int x) { return count += x P(+ fresh++); }`},
	{name: "a new common variable that another object has", code: splice.CodeDefined, other: "int fresh = 7;", unit: `
		int count;
		P(int fresh;)
		int f(int x) { return count += x P(+ fresh++); }`},
	{name: "a new weak function that another object has", code: splice.CodeDefined, other: "int help(int x) { return x * 5; }", unit: `
		P(__attribute__((weak)) int help(int x) { return x + 1; })
		int f(int x) { return x * 7 + 1 P(+ help(x)); }`},
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
			f, objects := parts(t, c.unit, c.other, "-O1", "-ffunction-sections", "-fno-ipa-icf", "-fno-inline", "-fcommon")
			command(t, "clang-14", append(objects, "--ld-path="+lld, "-Wl,--icf=all", "-o", f.image)...)
			u, err := f.build(t, openELF(t, f.image))
			if checkCode(t, err, c.code); err == nil && u.Redirects() != c.redirects {
				t.Errorf("%d redirects", u.Redirects())
			}
		})
	}
}

// parts compiles a unit twice, the second time with PATCHED and P, which keeps what
// it is given; and the objects that the program is linked of, pre among them.
func parts(t *testing.T, unit, other string, flags ...string) (files, []string) {
	t.Helper()
	dir := t.TempDir()
	object := func(name, text string) string {
		src, out := filepath.Join(dir, name+".c"), filepath.Join(dir, name+".o")
		if err := os.WriteFile(src, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		command(t, "gcc", append(slices.Clone(flags), "-c", "-o", out, src)...)
		return out
	}
	f := files{image: filepath.Join(dir, "prog"), pre: object("pre", "#define P(x)\n"+unit), post: object("post", "#define PATCHED\n#define P(x) x\n"+unit)}
	return f, []string{object("main", namesMain), object("other", other), f.pre}
}

// checkCode demands a refusal with a code and a hint, or none.
func checkCode(t *testing.T, err error, code splice.Code) {
	t.Helper()
	var r *splice.Refusal
	switch {
	case code == "" && err == nil:
	case code == "" || !errors.As(err, &r) || r.Code != code || r.Hint == "":
		t.Errorf("not %q: %v", code, err)
	}
}

func command(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}
