package elfobj

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// sourceC has one of everything that a C compiler puts into a symbol table.
const sourceC = `
extern int printf(const char *, ...);
extern int gone(int) __attribute__((weak));
int common;
static int counter = 3;
int zeros[100];
__thread int tls = 7;
const char *const names[] = { "alpha", "beta", "a tail", "tail" };
const double half = 0.5;
static __attribute__((noinline)) int twice(int x) { counter++; return x * 2; }
int hidden(int x) __attribute__((visibility("hidden")));
int hidden(int x) { return twice(x) + tls; }
int alias(int x) __attribute__((alias("hidden")));
static int pick(void) { return 1; }
static void *resolve(void) { return pick; }
int indirect(void) __attribute__((ifunc("resolve")));
int lookup(int n) {
	static int calls;
	switch (n) {
	case 0: return printf("zero %d\n", calls++);
	case 1: return printf("one\n");
	case 2: return zeros[n] + common;
	case 3: return gone ? gone(n) : 0;
	case 4: return indirect();
	case 5: return names[n & 3][0];
	}
	return hidden(n);
}
int main(int argc, char **argv) { return lookup(argc); }
`

// sourceCXX makes COMDAT groups.
const sourceCXX = `
template <class T> struct Box { T v; virtual T get() const { return v; } virtual ~Box() {} };
template <class T> T add(T a, T b) { static T calls; calls += 1; return a + b + calls; }
inline int shared() { static int n; return ++n; }
int use(int x) { Box<int> b; b.v = x; Box<long> c; c.v = x; return add(x, 1) + add(2L, 3L) + b.get() + c.get() + shared(); }
int fails(int x) { try { if (x) throw x; } catch (int e) { return e; } return 0; }
`

// A recipe makes an object file with tools that are not of this project.
type recipe struct {
	name   string
	source string // name of the source file, or of another recipe's object
	argv   string // with {in} and {out}
	mayNot bool   // the tool may lack the option; that skips the recipe
}

// recipes is in order: later ones may use objects of earlier ones.
var recipes = []recipe{
	{"gcc-O2-g", "a.c", "gcc -O2 -g -c {in} -o {out}", false},
	{"gcc-O0", "a.c", "gcc -O0 -c {in} -o {out}", false},
	{"gcc-sections", "a.c", "gcc -O2 -ffunction-sections -fdata-sections -c {in} -o {out}", false},
	{"gcc-kernel", "a.c", "gcc -O2 -mcmodel=kernel -fno-pic -fno-asynchronous-unwind-tables -c {in} -o {out}", false},
	{"gcc-common", "a.c", "gcc -O2 -fcommon -fPIC -c {in} -o {out}", false},
	{"gcc-linkorder", "a.c", "gcc -O2 -ffunction-sections -fpatchable-function-entry=4,2 -c {in} -o {out}", false},
	{"gcc-zlib", "a.c", "gcc -O2 -g3 -gz=zlib -c {in} -o {out}", true},
	{"gcc-zlib-gnu", "a.c", "gcc -O2 -g3 -gz=zlib-gnu -c {in} -o {out}", true},
	{"gcc-zstd", "a.c", "gcc -O2 -g3 -gz=zstd -c {in} -o {out}", true},
	{"objcopy-zstd", "gcc-O2-g", "objcopy --compress-debug-sections=zstd {in} {out}", true},
	{"objcopy-split", "gcc-O2-g", "objcopy --only-keep-debug {in} {out}", true},
	{"objcopy-strip", "gcc-O2-g", "objcopy --strip-debug {in} {out}", true},
	{"g++-comdat", "b.cc", "g++ -O1 -g -c {in} -o {out}", true},
	{"clang-O2-g", "a.c", "clang-14 -O2 -g -c {in} -o {out}", true},
	{"clang-sections", "a.c", "clang-14 -O2 -ffunction-sections -fdata-sections -faddrsig -fstack-size-section -c {in} -o {out}", true},
	{"ld-r", "gcc-O2-g", "ld -r {in} -o {out}", false},
	{"ld-r-unique", "gcc-sections", "ld -r --unique {in} -o {out}", false},
}

// fixtures makes all objects, and returns their files by the name of the
// recipe, in order.
func fixtures(t testing.TB) (names []string, files map[string]string) {
	t.Helper()
	testenv.Need(t, "gcc", "ld", "objcopy")
	dir := t.TempDir()
	sources := map[string]string{"a.c": sourceC, "b.cc": sourceCXX}
	files = make(map[string]string)
	for name, text := range sources {
		files[name] = filepath.Join(dir, name)
		if err := os.WriteFile(files[name], []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range recipes {
		out := filepath.Join(dir, r.name+".o")
		line := strings.NewReplacer("{in}", files[r.source], "{out}", out).Replace(r.argv)
		argv := strings.Fields(line)
		msg, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
		switch {
		case err == nil:
			files[r.name] = out
			names = append(names, r.name)
		case r.mayNot:
			t.Logf("no %s here: %v: %s", r.name, err, bytes.TrimSpace(msg))
		default:
			t.Fatalf("%s: %v: %s", line, err, msg)
		}
	}
	return names, files
}

// assemble turns assembler source into an object.
func assemble(t testing.TB, source string) string {
	t.Helper()
	testenv.Need(t, "as")
	out := filepath.Join(t.TempDir(), "a.o")
	cmd := exec.Command("as", "-o", out, "-")
	cmd.Stdin = strings.NewReader(source)
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("as: %v: %s", err, msg)
	}
	return out
}

// manySections is assembler source with n sections, a function in each that
// calls the one before.
func manySections(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ".section .text.f%d,\"ax\"\n.globl f%d\n.type f%d,@function\nf%d:\n", i, i, i, i)
		if i%16 == 1 {
			fmt.Fprintf(&b, "call f%d\n", i-1)
		}
		fmt.Fprintf(&b, "ret\n.size f%d,.-f%d\n", i, i)
	}
	return b.String()
}
