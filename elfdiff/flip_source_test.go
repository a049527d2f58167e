package elfdiff_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// flipSource has memory of all sorts: with names and without, that code refers to
// and that it does not.
const flipSource = `
#include <string.h>
struct reg { long (*f)(long); const char *name; int n; };
static long twice(long n) { return 2 * n; }
static long half(long n) { return n / 2; }
#define REGISTER(x) static const struct reg reg_##x __attribute__((section("registry"), used)) = { x, #x, __LINE__ };
REGISTER(twice) REGISTER(half)
extern const struct reg __start_registry[], __stop_registry[];
int counter = 7; static int hidden = 9; const char *names[] = { "one", "two", "three" };
static const int table[] = { 3, 1, 4, 1, 5, 9, 2, 6 };
const double ratio = 0.75; static long big[4] = { 1, 2 }; __thread int own = 5;
static void __attribute__((constructor)) start(void) { counter++; }
asm(".pushsection .rodata\n.long 5, 6\n.popsection\n"
    ".pushsection .data\n.quad 77\n.popsection\n"
    ".pushsection .note.mine,\"a\",@note\n.long 4, 4, 1\n.asciz \"abc\"\n.long 0x1234\n.popsection\n"
    ".pushsection strange,\"a\",@0x6fff1234\n.quad 11, counter\n.popsection\n"
    ".pushsection .rodata.str1.1,\"aMS\",@progbits,1\n.asciz \"unused words\"\n.popsection\n"
    ".pushsection .rodata.cst8,\"aM\",@progbits,8\n.quad 0x1122334455667788\n.popsection\n"
    ".pushsection .text\n.byte 0x0f, 0x0b, 0x48, 0x31, 0xc0, 0xc3\n.popsection\n");
#define SITE(n) asm volatile("1: nop\n.pushsection sites,\"a\"\n.quad 1b\n.long " #n ", 0\n.popsection\n.pushsection .mine,\"aw\"\n.quad 1b, 2f - 1b\n.popsection\n2:")
long words(int k) {
	switch (k) {
	case 0: return strlen(names[counter & 1]);
	case 1: SITE(3); return table[hidden & 7];
	case 2: hidden++; return big[k];
	case 3: return (long)"tail" + k;
	case 4: own++; return own;
	case 5: return ratio * k * 1.25;
	case 6: return __builtin_popcount(k);
	}
	return -1;
}
double scale(double x) { SITE(4); return x * 3.5 + 0.1; }
long all(long n) {
	for (const struct reg *r = __start_registry; r < __stop_registry; r++)
		n += r->f(n) + r->n;
	return n;
}
`

// compileText compiles a source in C.
func compileText(t testing.TB, cc []string, text string) []byte {
	t.Helper()
	dir := t.TempDir()
	src, obj := filepath.Join(dir, "a.c"), filepath.Join(dir, "a.o")
	if err := os.WriteFile(src, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(cc[0], append(cc[1:len(cc):len(cc)], "-w", "-c", "a.c", "-o", "a.o")...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cc, err, out)
	}
	b, err := os.ReadFile(obj)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func has(tool string) bool {
	_, err := exec.LookPath(tool)
	return err == nil
}
