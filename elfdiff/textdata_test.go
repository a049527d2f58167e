package elfdiff

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// TestDataInCode demands that data between functions is never replaced as a
// function is, and that code without a type still is.
func TestDataInCode(t *testing.T) {
	testenv.Need(t, "gcc")
	const user = "\n\t.globl f\n\t.type f,@function\nf:\t"
	for _, c := range []struct {
		name, text string
		want       Code // "" for a function that is replaced
	}{
		{"object", "\t.globl tab\n\t.type tab,@object\ntab:\t.quad 1,2,VAL\n\t.size tab,24" + user + "lea tab(%rip),%rax\n\tmov (%rax,%rdi,8),%rax\n\tret", CodeConstShared},
		{"read", "tab:\t.quad 1,2,VAL" + user + "mov tab(%rip),%rax\n\tret", CodeOpaqueCode},
		{"nameless", ".Ltab:\t.quad 1,2,VAL" + user + "lea .Ltab(%rip),%rax\n\tmov (%rax,%rdi,8),%rax\n\tret", CodeOpaqueCode},
		{"elsewhere", "\t.globl tab\ntab:\t.quad 1,2,VAL" + user + "ret", CodeOpaqueCode},
		{"called", "g:\tlea VAL(%rdi),%rax\n\tnopl (%rax)\n\tret" + user + "call g\n\tret", ""},
		{"jumped to", "g:\tlea VAL(%rdi),%rax\n\tnopl (%rax)\n\tret" + user + "test %edi,%edi\n\tjs g\n\tret", ""},
		{"address taken", "g:\tlea VAL(%rdi),%rax\n\tnopl (%rax)\n\tret" + user + "lea g(%rip),%rax\n\tret", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			side := func(s, val string) string {
				return build{cc: "gcc"}.compile(t, filepath.Join(dir, s), "unit.s", "\t.text\n"+strings.ReplaceAll(c.text, "VAL", val)+"\n\t.size f,.-f\n")
			}
			d := mustCompare(t, side("pre", "3"), side("post", "4"))
			if c.want == "" {
				if x, err := Extract(d); err != nil || len(x.Replacements) != 1 {
					t.Fatalf("not replaced: %v\n%s", err, report(d))
				}
			} else if len(d.Refusals) == 0 || d.Refusals[0].Code != c.want {
				t.Fatalf("want %s:\n%s", c.want, report(d))
			}
		})
	}
}

// TestTypeHash has functions with the hash of their type in front of them, as clang puts it there
// since 17 for -fsanitize=function, and padding of any length in front of that.
func TestTypeHash(t *testing.T) {
	testenv.Need(t, "gcc")
	const (
		f    = "f:\tcall g\n\tlea 3(%rax),%rax\n\tret\n"
		long = "f:\tcall g\n\tlea 3(%rax,%rax,8),%rax\n\tnot %rax\n\tret\n"
		g    = "g:\tmov %edi,%eax\n\tret\n"
		n    = "n:\tlea 7(%rdi),%rax\n\tret\n"
	)
	source := func(hash string, functions ...string) string {
		text := "\t.text\n"
		for _, body := range functions {
			name, _, _ := strings.Cut(body, ":")
			text += "\t.p2align 4\n\t.long 0xc105cafe, " + hash + "\n\t.globl " + name + "\n\t.type " + name + ",@function\n" + body + "\t.size " + name + ",.-" + name + "\n"
		}
		return text
	}
	const one, two = "0xca7a7a6f", "0xbb1f71dd"
	for _, c := range []struct {
		name, post string
		want       Code   // "" for what is carried
		verdicts   string // what else there is to say
	}{
		{"the same", source(one, f, g), "", ""},
		{"a function grows", source(one, long, g), "", "changed f"},
		{"another type", source(two, f, g), CodeTypeHash, ""},
		{"a new function is called", source(one, strings.Replace(f, "call g", "call n", 1), g, n), "", "changed f, new n"},
		{"a new function is pointed to", source(one, strings.Replace(f, "call g", "lea n(%rip),%rdi\n\tcall g", 1), g, n), CodeTypeHash, ""},
		{"an old function is pointed to", source(one, strings.Replace(f, "call g", "lea g(%rip),%rdi\n\tcall g", 1), g), "", "changed f"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			pre := build{cc: "gcc"}.compile(t, filepath.Join(dir, "pre"), "unit.s", source(one, f, g))
			d := mustCompare(t, pre, build{cc: "gcc"}.compile(t, filepath.Join(dir, "post"), "unit.s", c.post))
			refused := Code("")
			if len(d.Refusals) > 0 {
				refused = d.Refusals[0].Code
			}
			if got := strings.Join(verdicts(d), ", "); refused != c.want || c.want == "" && got != c.verdicts {
				t.Errorf("%q, %s, want %q, %s\n%s", refused, got, c.want, c.verdicts, report(d))
			}
		})
	}
}
