package elfdiff

import (
	"path/filepath"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// TestConstructors changes what runs before main.
func TestConstructors(t *testing.T) {
	testenv.Need(t, "gcc", "g++")
	const ctor = "__attribute__((constructor)) static void "
	for _, c := range []struct {
		name, file, pre, post string
		want                  Outcome
	}{
		{"its body", "unit.c", "static long v; " + ctor + "init(void) { v = 3; } long get(void) { return v; }",
			"static long v; " + ctor + "init(void) { v = 4; } long get(void) { return v; }", OutcomeJudge},
		{"what only it calls", "unit.c", "extern long v, w; static __attribute__((noinline)) void set(void) { v = 3; w = 5; } " + ctor + "init(void) { set(); w = 1; }",
			"extern long v, w; static __attribute__((noinline)) void set(void) { v = 4; w = 5; } " + ctor + "init(void) { set(); w = 1; }", OutcomeJudge},
		{"new", "unit.c", "long v; long get(void) { return v; }",
			"long v; " + ctor + "init(void) { v = 4; } long get(void) { return v; }", OutcomeJudge},
		{"of C++", "unit.cc", "extern \"C\" long number(const char *); static long g = number(\"14\"); long get() { return g; }",
			"extern \"C\" long number(const char *); static long g = number(\"14\"), h = number(\"15\"); long get() { return g + h; }", OutcomeJudge},
		{"another function", "unit.c", "static long v; " + ctor + "init(void) { v = 3; } long get(void) { return v; }",
			"static long v; " + ctor + "init(void) { v = 3; } long get(void) { return v + 1; }", OutcomeCarried},
		{"blank lines", "unit.c", "static long v; " + ctor + "init(void) { v = 3; } long get(void) { return v; }",
			"\n\nstatic long v; " + ctor + "init(void) { v = 3; } long get(void) { return v; }", OutcomeSame},
	} {
		for _, opt := range []string{"-O2", "-O0"} {
			t.Run(c.name+opt, func(t *testing.T) {
				dir := t.TempDir()
				b := build{"gcc", []string{opt}}
				d := mustCompare(t,
					b.compile(t, filepath.Join(dir, "pre"), c.file, c.pre),
					b.compile(t, filepath.Join(dir, "post"), c.file, c.post))
				if d.Outcome() != c.want {
					t.Errorf("outcome %s, want %s:\n%s", d.Outcome(), c.want, report(d))
				}
			})
		}
	}
}
