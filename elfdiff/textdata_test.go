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
