package splice_test

import (
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/splice"
)

// alignedCases are changes after which code may assume more of an address.
var alignedCases = []struct {
	name, unit, other string
	code              splice.Code
}{
	{name: "more is assumed", code: splice.CodeAlignment, unit: `
		long pad = 1, buf[2] __attribute__((aligned(8 P(* 2)))) = { 3, 4 };
		int f(int x) { return VECTOR(buf) + pad + x P(+ 1); }`},
	{name: "more is assumed, and true", unit: `
		long pad[2] = { 1, 2 }, buf[2] __attribute__((aligned(8 P(* 2)))) = { 3, 4 };
		int f(int x) { return VECTOR(buf) + pad[0] + x P(+ 1); }`},
	{name: "through a register", code: splice.CodeAlignment, unit: `
		long first = 1;
		long buf[2] __attribute__((aligned(8 P(* 2)))) = { 3, 4 };
		__attribute__((noinline)) static long sum(long *p) { return VECTOR(p); }
		int f(int x) { return sum(buf) + first + x P(+ 1); }`},
	{name: "of another object", code: splice.CodeAlignment, other: `
		long first __attribute__((aligned(16))) = 1, second[2] __attribute__((aligned(8))) = { 3, 4 };`, unit: `
		extern long first, second[2] __attribute__((aligned(8 P(* 2))));
		int f(int x) { return VECTOR(second) + first + x P(+ 1); }`},
	{name: "another place by chance", unit: `
		P(long fresh = 7;) long small = 2, large[8] = { 3 };
		int f(int x) { return small + large[x] P(+ fresh); }`},
}

// TestAligned builds updates of programs in which data in front of pre's is aligned
// to 16 bytes.
func TestAligned(t *testing.T) {
	testenv.Need(t, "gcc")
	const vector = `
		typedef long v2 __attribute__((vector_size(16)));
		#ifdef PATCHED
		#define VECTOR(p) ({ v2 a = *(v2 *)(p); a += a; *(v2 *)(p) = a; a[0] + a[1]; })
		#else
		#define VECTOR(p) ((p)[0] + (p)[1])
		#endif
		`
	for _, c := range alignedCases {
		for _, flags := range [][]string{{"-O2"}, {"-O1", "-fPIC"}, {"-O0"}, {"-O2", "-fdata-sections", "-ffunction-sections"}} {
			t.Run(c.name+flags[len(flags)-1], func(t *testing.T) {
				t.Parallel()
				switch {
				case len(flags) > 2 && c.code == "":
					t.Skip("the linker decides where it is")
				case c.other != "" && flags[0] != "-O2":
					t.Skip("a register has the address")
				}
				other := c.other
				if other == "" {
					other = "long aligned[2] __attribute__((aligned(16))) = { 1, 2 };"
				}
				f, objects := parts(t, vector+c.unit, other, append(flags, "-w", "-fno-toplevel-reorder")...)
				command(t, "gcc", append(objects, "-o", f.image)...)
				_, err := f.build(t, openELF(t, f.image))
				checkCode(t, err, c.code)
			})
		}
	}
}
