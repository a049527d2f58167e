package elfdiff

import (
	"path/filepath"
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
