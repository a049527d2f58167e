package elfdiff

import (
	"slices"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// orcFront makes rows: entry at a function's start, pushed in it, none behind the last.
const orcFront = `
.macro row at, sp
	.pushsection .orc_unwind_ip,"a"
	.long \at - .
	.popsection
	.pushsection .orc_unwind,"a"
	.short \sp, -16, 0x21
	.popsection
.endm
.macro function name
	.globl \name
	.type \name, @function
\name:	push %rbx
1:	mov %edi, %ebx
	pop %rbx
2:	ret
	.size \name, . - \name
.endm
.text
`

// TestSharedRows puts functions in front of and behind one that stays as it is. A row
// is left out where the code in front ends with the same one.
func TestSharedRows(t *testing.T) {
	testenv.Need(t, "gcc")
	const pre = "function f\nrow f, 8\nrow 1b, 16\nrow 2b, 8\nrow f_end, 0\nf_end:\n"
	for _, c := range []struct {
		name, post string
		differs    bool
	}{
		{"behind", "function f\nrow f, 8\nrow 1b, 16\nrow 2b, 8\nfunction g\nrow 1b, 16\nrow 2b, 8\nrow end, 0\nend:\n", false},
		{"in front", "function g\nrow g, 8\nrow 1b, 16\nrow 2b, 8\nfunction f\nrow 1b, 16\nrow 2b, 8\nrow end, 0\nend:\n", false},
		{"in front, with another row", "function g\nrow g, 8\nrow 1b, 16\nfunction f\nrow 1b, 16\nrow 2b, 8\nrow end, 0\nend:\n", true},
		{"another row", "function f\nrow f, 8\nrow 1b, 24\nrow 2b, 8\nrow end, 0\nend:\n", true},
		{"a row less", "function f\nrow f, 8\nrow 2b, 8\nrow end, 0\nend:\n", true},
		{"a row elsewhere", "function f\nrow f, 8\nrow 1b+2, 16\nrow 2b, 8\nrow end, 0\nend:\n", true},
		{"another row behind", "function f\nrow f, 8\nrow 1b, 16\nrow 2b, 8\nrow end, 8\nend:\n", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, dir := build{"gcc", nil}, t.TempDir()
			d := compareTables(t, b.compile(t, dir+"/pre", "unit.s", orcFront+pre), b.compile(t, dir+"/post", "unit.s", orcFront+c.post))
			differs := slices.ContainsFunc(d.Refusals, func(r Refusal) bool { return r.Code == CodeTableDiffers && r.Symbol == "f" })
			if changed := strings.Contains(strings.Join(verdicts(d), " "), "changed f"); changed || differs != c.differs {
				t.Errorf("rows differ: %v, want %v\n%s", differs, c.differs, report(d))
			}
		})
	}
}
