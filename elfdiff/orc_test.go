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

// fixupFront makes functions with a place that can fault, which go on in a piece of .fixup.
const fixupFront = orcFront + `
.macro faulting name, insn=nop
	.globl \name
	.type \name, @function
\name:	push %rbx
1:	mov (%rdi), %eax
2:	\insn
	pop %rbx
3:	ret
	.size \name, . - \name
	row \name, 8
	row 1b, 16
	row 3b, 8
	.pushsection .fixup,"ax"
4:	mov $-14, %eax
	jmp 2b
	.popsection
	.pushsection __ex_table,"a"
	.balign 4
	.long 1b - ., 4b - ., ex_handler_default - .
	.popsection
.endm
.macro fixrow sp
	.pushsection .fixup,"ax"
5:	.popsection
	row 5b, \sp
.endm
`

// TestPieceRows changes a function with a place that can fault: the rows about the piece that
// faults go on in travel with it, and those of other functions are compared, also where both
// share one.
func TestPieceRows(t *testing.T) {
	testenv.Need(t, "gcc")
	const end = "row e, 0\ne:\n"
	const pre = "fixrow 16\nfaulting f\nfaulting g\nfixrow 0\n" + end
	for _, c := range []struct {
		name, post string
		rows       int // about pieces that travel, with those that end them; < 0 a table differs
	}{
		{"one of a row", "fixrow 16\nfaulting f, cltd\nfaulting g\nfixrow 0\n" + end, 2},
		{"the other", "fixrow 16\nfaulting f\nfaulting g, cltd\nfixrow 0\n" + end, 2},
		{"with a row of its own", "fixrow 24\nfaulting f, cltd\nfixrow 16\nfaulting g\nfixrow 0\n" + end, 2},
		{"order", "fixrow 16\nfaulting g\nfaulting f, cltd\nfixrow 0\n" + end, 2},
		{"both", "fixrow 16\nfaulting f, cltd\nfaulting g, cltd\nfixrow 0\n" + end, 4},
		{"the same", "fixrow 16\nfaulting f\nfixrow 16\nfaulting g\nfixrow 0\n" + end, 0},
		{"another row of what is the same", "fixrow 16\nfaulting f\nfixrow 24\nfaulting g\nfixrow 0\n" + end, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, dir := build{"gcc", nil}, t.TempDir()
			d := compareTables(t, b.compile(t, dir+"/pre", "unit.s", fixupFront+pre), b.compile(t, dir+"/post", "unit.s", fixupFront+c.post))
			if c.rows < 0 {
				if !slices.ContainsFunc(d.Refusals, func(r Refusal) bool { return r.Code == CodeTableDiffers && r.Symbol == "g" }) {
					t.Error(report(d))
				}
				return
			}
			if len(d.Refusals) > 0 {
				t.Fatal(report(d))
			}
			if got := pieceRows(t, d); got != c.rows {
				t.Errorf("%d rows about pieces, want %d", got, c.rows)
			}
		})
	}
}

// pieceRows counts the rows about .fixup that travel.
func pieceRows(t *testing.T, d *Diff) (n int) {
	t.Helper()
	if !slices.ContainsFunc(verdicts(d), func(s string) bool { return strings.HasPrefix(s, "changed") }) {
		return 0
	}
	x, err := Extract(d)
	if err != nil {
		t.Fatal(err)
	}
	for i := range x.Spec.Sections {
		if x.Spec.Sections[i].Name != ".rela.orc_unwind_ip" {
			continue
		}
		for _, r := range x.Spec.Sections[i].Relas {
			if x.Spec.Sections[x.Spec.Symbols[r.Sym].Section].Name == ".fixup" {
				n++
			}
		}
	}
	return n
}
