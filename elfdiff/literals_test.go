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

// paddedText has a function that uses an anonymous constant, in front of another one.
const paddedText = `
	.section .rodata
%s
	.text
	.globl first
	.type first,@function
first:
	leaq .LC0(%%rip), %%rdi
	jmp reg
	.size first,.-first
	.globl second
	.type second,@function
second:
	leaq .LC1(%%rip), %%rdi
	jmp reg
	.size second,.-second
`

// TestConstantEnds: zeros at the end of a constant are its content, where it has fewer without them; what may be
// padding is no change where post has less of it.
func TestConstantEnds(t *testing.T) {
	testenv.Need(t, "gcc")
	const head, short, long, tail = ".LC0: ", ".string \"alpha\\0beta\"\n", ".string \"alpha\\0beta\\0\"\n", ".LC1: .string \"other\\0\"\n"
	const aligned, before = "\t.balign 8\n", "\t.string \"front\\0\"\n"
	for _, c := range []struct{ name, pre, post, changed string }{
		{"a zero more", head + short + tail, head + long + tail, "first"},
		{"a zero less", head + long + tail, head + short + tail, "first"},
		{"a zero more at the end", tail + head + short, tail + head + long, "first"},
		{"a zero less at the end", tail + head + long, tail + head + short, "first"},
		{"a zero more, aligned elsewhere", aligned + head + short + tail, aligned + head + long + tail, "first"},
		{"a zero more, with padding", head + short + tail, head + long + aligned + tail, "first"},
		{"padding less", head + short + aligned + tail, head + short + tail, ""},
		{"padding, the same", head + short + aligned + tail, before + aligned + head + short + aligned + tail, ""},
		{"more than padding less", head + short + "\t.zero 9\n" + aligned + tail, head + short + tail, "first"},
	} {
		dir := t.TempDir()
		b := build{cc: "gcc"}
		d := mustCompare(t, b.compile(t, filepath.Join(dir, "pre"), "unit.s", fmt.Sprintf(paddedText, c.pre)), b.compile(t, filepath.Join(dir, "post"), "unit.s", fmt.Sprintf(paddedText, c.post)))
		var changed []string
		for i := range d.Functions {
			if ch := &d.Functions[i]; ch.Status != verdict.Same {
				changed = append(changed, ch.Name)
			}
		}
		if got := strings.Join(changed, " "); got != c.changed {
			t.Errorf("%s: %q changed, want %q\n%s", c.name, got, c.changed, report(d))
		}
	}
}
