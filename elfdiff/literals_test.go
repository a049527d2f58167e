package elfdiff

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// literalsText has a function for each way to name a string that is not its start, as
// GCC does for loops that begin in front of the first character, or end behind the
// last.
const literalsText = `
	.section .rodata.str1.1,"aMS",@progbits,1
%s
	.text
	.globl in_front
	.type in_front,@function
in_front:
	movabsq $.LC1-1, %%rcx
	movzbl 1(%%rcx), %%eax
	ret
	.size in_front,.-in_front
	.globl behind
	.type behind,@function
behind:	movabsq $.LC2+7, %%rcx
	movzbl -2(%%rcx), %%eax
	ret
	.size behind,.-behind
	.globl inside
	.type inside,@function
inside:	movabsq $.LC3+2, %%rcx
	movzbl (%%rcx), %%eax
	ret
	.size inside,.-inside
`

// TestLiteralsBySymbol compares functions that name strings by a label and a number.
func TestLiteralsBySymbol(t *testing.T) {
	testenv.Need(t, "gcc")
	const pre = ".LC0: .string \"zero\"\n.LC1: .string \"first\"\n.LC2: .string \"second\"\n.LC3: .string \"third\"\n"
	for _, c := range []struct{ name, post, changed, travels string }{
		{"the same in another order", ".LC3: .string \"third\"\n.LC2: .string \"second\"\n.LC1: .string \"first\"\n", "", ""},
		{"in front", strings.Replace(pre, "first", "other", 1), "in_front", "other"},
		{"behind", strings.Replace(pre, "second", "others", 1), "behind", "others"},
		{"inside", strings.Replace(pre, "third", "thing", 1), "inside", "thing"},
		{"in front of what is meant", strings.Replace(pre, "third", "abird", 1), "", ""},
	} {
		dir := t.TempDir()
		b := build{cc: "gcc"}
		d := mustCompare(t, b.compile(t, filepath.Join(dir, "pre"), "unit.s", fmt.Sprintf(literalsText, pre)),
			b.compile(t, filepath.Join(dir, "post"), "unit.s", fmt.Sprintf(literalsText, c.post)))
		var changed, travels []string
		for i := range d.Functions {
			if ch := &d.Functions[i]; ch.Status != verdict.Same {
				changed = append(changed, ch.Name)
			}
		}
		for i := range d.Post.Atoms {
			if a := &d.Post.Atoms[i]; a.Kind == object.String && d.Included(a.ID) {
				travels = append(travels, strings.TrimRight(string(a.Bytes), "\x00"))
			}
		}
		if got := strings.Join(changed, " "); got != c.changed || strings.Join(travels, " ") != c.travels {
			t.Errorf("%s: %q changed, with %q\n%s", c.name, got, travels, report(d))
		}
	}
}
