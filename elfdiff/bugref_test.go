package elfdiff

import (
	"debug/elf"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// warnFront makes functions that load the address of their entry in __bug_table, as warnings
// of Linux 7.3 do.
const warnFront = `
.macro warn line, entry=9f
8:	lea \entry(%rip), %rdi
	.pushsection __bug_table,"aw"
9:	.long 8b - ., format - ., file - .
	.short \line, 1
	.popsection
	call trap
.endm
.macro function name, insn=nop
	.pushsection .text.\name,"ax"
	.globl \name
	.type \name, @function
\name:	\insn
.endm
.macro end name
	ret
	.size \name, . - \name
	.popsection
.endm
.section .rodata.str1.1,"aMS",@progbits,1
format:	.asciz "%d"
file:	.asciz "file.c"
`

// TestEntryReference changes what loads the address of its own entry: where it is in the table
// means nothing, and it travels with the code.
func TestEntryReference(t *testing.T) {
	testenv.Need(t, "gcc")
	const (
		f, g  = "function f\nwarn 10\nwarn 11\nend f\n", "function g\nwarn 20\nend g\n"
		fNew  = "function f, cltd\nwarn 12\nwarn 13\nend f\n"
		entry = 16
	)
	for _, c := range []struct {
		name, pre, post string
		verdicts        string
		code            Code
	}{
		{"moved in the table", f + g, g + f, "", ""},
		{"other lines", f + g, strings.ReplaceAll(f, "warn 1", "warn 3") + g, "", ""},
		{"changed", g + f, g + fNew, "changed f", ""},
		{"changed, and moved", g + f, fNew + g, "changed f", ""},
		{"an entry of another function", g + f, g + "function f, cltd\nwarn 10, __bug_table_of_g\nend f\n.pushsection __bug_table\n.set __bug_table_of_g, . - 32\n.popsection\n", "changed f", CodeSpecialSection},
		{"inside an entry", g + f, g + "function f, cltd\nwarn 10, 9f+4\nend f\n", "changed f", CodeSpecialSection},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, dir := build{"gcc", nil}, t.TempDir()
			d := compareTables(t, b.compile(t, dir+"/pre", "unit.s", warnFront+c.pre), b.compile(t, dir+"/post", "unit.s", warnFront+c.post))
			if got := strings.Join(verdicts(d), " "); !strings.HasPrefix(got, c.verdicts) || c.verdicts == "" && strings.Contains(got, "changed") {
				t.Errorf("%s, want %s", got, c.verdicts)
			}
			refused := slices.ContainsFunc(d.Refusals, func(r Refusal) bool { return r.Code == c.code })
			if refused != (c.code != "") || !refused && len(d.Refusals) > 0 {
				t.Fatalf("want %q\n%s", c.code, report(d))
			}
			if !refused && c.verdicts != "" {
				checkEntries(t, d, entry)
			}
		})
	}
}

// checkEntries demands that the code of an extracted function loads the addresses of its entries
// of the extracted table, in order.
func checkEntries(t *testing.T, d *Diff, size uint64) {
	t.Helper()
	x, err := Extract(d)
	if err != nil {
		t.Fatal(err)
	}
	var lines []uint16
	var table []byte
	for i := range x.Spec.Sections {
		if x.Spec.Sections[i].Name == "__bug_table" {
			table = x.Spec.Sections[i].Data
		}
	}
	for i := range x.Spec.Sections {
		s := &x.Spec.Sections[i]
		if s.Type != elf.SHT_RELA || !strings.HasPrefix(s.Name, ".rela.text.") {
			continue
		}
		for _, r := range s.Relas {
			if to := x.Spec.Symbols[r.Sym].Section; !to.IsReserved() && to != elfobj.SecUndef && x.Spec.Sections[to].Name == "__bug_table" {
				at := uint64(r.Addend) + 4
				if at%size != 0 || at >= uint64(len(table)) {
					t.Fatalf("an address inside an entry, at %d of %d", at, len(table))
				}
				lines = append(lines, binary.LittleEndian.Uint16(table[at+12:]))
			}
		}
	}
	if !slices.Equal(lines, []uint16{12, 13}) || len(table) != 2*int(size) {
		t.Errorf("lines %v, %d bytes", lines, len(table))
	}
}
