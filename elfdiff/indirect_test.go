package elfdiff

import (
	"path/filepath"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// TestIndirect has functions that choose an implementation when a program starts (IFUNC). An update
// comes too late for that: what calls a new one would call the resolver. Implementations are
// functions like others.
func TestIndirect(t *testing.T) {
	testenv.Need(t, "gcc")
	const (
		one   = "static long one(long n) { return n + 1; }\n"
		two   = "static long two(long n) { return n + 2; }\n"
		pick  = "static long (*pick(void))(long) { return one; }\nlong chosen(long) __attribute__((ifunc(\"pick\")));\n"
		other = "static long (*pick(void))(long) { return two; }\nlong chosen(long) __attribute__((ifunc(\"pick\")));\n"
		calls = "long entry(long n) { return chosen(n); }\n"
	)
	for _, c := range []struct {
		name, pre, post string
		want            Code
	}{
		{"implementation", one + two + pick + calls, "static long one(long n) { return n + 9; }\n" + two + pick + calls, ""},
		{"caller", one + two + pick + calls, one + two + pick + "long entry(long n) { return chosen(n) * 2; }\n", ""},
		{"resolver", one + two + pick + calls, one + two + other + calls, CodeIndirectFunction},
		{"new", "long entry(long n) { return n; }\n", one + pick + calls, CodeIndirectFunction},
		{"new clones", "long entry(long n) { return n; }\n",
			"__attribute__((target_clones(\"avx2\", \"default\"), noinline)) long chosen(long n) { return n + 1; }\n" + calls, CodeIndirectFunction},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir, b := t.TempDir(), build{cc: "gcc", flags: []string{"-O1", "-fPIC"}}
			d := mustCompare(t, b.compile(t, filepath.Join(dir, "pre"), "unit.c", c.pre), b.compile(t, filepath.Join(dir, "post"), "unit.c", c.post))
			if refused := len(d.Refusals) > 0; refused != (c.want != "") || refused && d.Refusals[0].Code != c.want {
				t.Errorf("refusals %v, want %q", d.Refusals, c.want)
			}
		})
	}
}
