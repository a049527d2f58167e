package elfdiff

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

const (
	walkedFirst  = "static const struct e first IN(\"table\") = { 1, 2 };\n"
	walkedSecond = "static const struct e second IN(\"table\") = { 3, 4 };\n"
	walkedHead   = "struct e { long a, b; };\n#define IN(s) __attribute__((section(s), used))\n"
	walkedTail   = "extern const struct e __start_table[], __stop_table[];\n" +
		"long sum(void) { long s = 0; for (const struct e *p = __start_table; p < __stop_table; p++) s = s * 10 + p->b; return s; }\n"
)

// TestWalked changes what code that goes through a section finds there.
func TestWalked(t *testing.T) {
	testenv.Need(t, "gcc")
	both := walkedHead + walkedFirst + walkedSecond + walkedTail
	for _, c := range []struct {
		name, pre, post string
		same            bool
	}{
		{"the same", both, "\n\n" + both, true},
		{"another order", both, walkedHead + walkedSecond + walkedFirst + walkedTail, false},
		{"moves in", walkedHead + "long x IN(\".data.x\") = 5; long y IN(\"list\") = 6;", walkedHead + "long x IN(\"list\") = 5; long y IN(\"list\") = 6;", false},
		{"moves out", walkedHead + "long x IN(\"list\") = 5; long y IN(\"list\") = 6;", walkedHead + "long x IN(\".data.x\") = 5; long y IN(\"list\") = 6;", false},
		{"code moves", walkedHead + "long f(long n) IN(\"texts\"); long f(long n) { return n * 3; }", walkedHead + "long f(long n) IN(\"other\"); long f(long n) { return n * 3; }", false},
		{"alignment", walkedHead + "long x IN(\"list\") = 5;", walkedHead + "long x IN(\"list\") __attribute__((aligned(64))) = 5;", false},
		{"plain sections", walkedHead + "long x IN(\".data.x\") = 5; long y IN(\".data.y\") = 6;", walkedHead + "long y IN(\".data.y\") = 6; long x IN(\".data.z\") = 5;", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			b := build{"gcc", []string{"-O2", "-fno-toplevel-reorder"}}
			d := mustCompare(t,
				b.compile(t, filepath.Join(dir, "pre"), "unit.c", c.pre),
				b.compile(t, filepath.Join(dir, "post"), "unit.c", c.post))
			if c.same != (d.Outcome() == OutcomeSame) || !c.same && (len(d.Refusals) != 1 || d.Refusals[0].Code != CodeTableEntry) {
				t.Errorf("outcome %s:\n%s", d.Outcome(), report(d))
			}
		})
	}
}

// TestLineNames moves entries of a table that a macro names by their lines, so that
// names are those of other entries in post.
func TestLineNames(t *testing.T) {
	testenv.Serial(t)
	testenv.Need(t, "gcc")
	const head = `
struct call { void (*f)(void *, const char *); void *arg; const char *name; long n; };
#define JOIN2(a, b) a##b
#define JOIN(a, b) JOIN2(a, b)
#define IN(s) __attribute__((used, section(s)))
#define AT(s) IN(s) JOIN(call_, __LINE__)
#define LED(...) static const struct call *AT("calls") = &(const struct call){ __VA_ARGS__ };
#define FLAT(...) static struct call AT("flat") = { __VA_ARGS__ };
void pool(void *, const char *); void reg(void *, const char *);
static long a, b; static char kw[8] = "kw";
long work(long n) {
`
	const body = "return n * 3 + a + b; }\n"
	const tail = `LED(pool, &a, "a", 100)
LED(pool, &b, "b", 200)
LED(reg, kw, "kw")
FLAT(reg, &a, "x", 1)
FLAT(reg, &b, "y", 1)
`
	const twice = "FLAT(reg, kw, \"z\", 1)\nFLAT(reg, kw, \"z\", 1)\n"
	for _, c := range []struct {
		name, pre, post string
		whole           bool
	}{
		{"a line", tail, "\n" + tail, true},
		{"two lines", tail, "\n\n" + tail, true},
		{"far", tail, strings.Repeat("\n", 2000) + tail, true},
		{"up", "\n\n" + tail, tail, true},
		{"equal ones", tail + twice, "\n" + tail + twice, true},
		{"another value", tail, "\n" + strings.Replace(tail, "200", "201", 1), false},
		{"another name", tail, "\n" + strings.Replace(tail, `"y"`, `"Y"`, 1), false},
		{"another variable", tail, "\n" + strings.Replace(tail, "FLAT(reg, &b", "FLAT(reg, kw", 1), false},
		{"one more", tail, "\n" + tail + "LED(reg, &a, \"more\")\n", false},
		{"one less", tail, "\n" + strings.Replace(tail, "LED(reg, kw, \"kw\")\n", "", 1), false},
		{"another order", tail + twice, "\n" + twice + tail, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, opt := range []string{"-O2", "-O0"} {
				b := build{"gcc", []string{opt, "-g", "-fPIE", "-fno-toplevel-reorder"}}
				d := mustCompare(t,
					b.compile(t, filepath.Join(dir, "pre"+opt), "unit.c", head+body+c.pre),
					b.compile(t, filepath.Join(dir, "post"+opt), "unit.c", head+"if (n < 0) return -1; "+body+c.post))
				if c.whole != (len(d.Refusals) == 0) || c.whole && slices.ContainsFunc(d.Data, func(ch Change) bool { return ch.Status != Same }) {
					t.Errorf("%s:\n%s", opt, report(d))
				}
			}
		})
	}
}
