package elfdiff

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// TestFallsThrough has functions in assembly that run on into what stands behind them: another one
// there is a change, and no copy of such a function travels.
func TestFallsThrough(t *testing.T) {
	testenv.Need(t, "gcc")
	const (
		runs  = "f: add $3,%rdi; nopl 8(%rax)"
		g     = "g: lea 5(%rdi),%rax; ret"
		h     = "h: lea 9(%rdi),%rax; ret"
		added = "k: add $100,%rdi"
	)
	for _, c := range []struct {
		name, pre, post string // functions, a line each
		changed         string // names of functions that are not the same
		want            Code
	}{
		{"same", runs + "\n" + g, runs + "\n" + g, "", ""},
		{"moved", runs + "\n" + g + "\n" + h, h + "\n" + runs + "\n" + g, "", ""},
		{"changed itself", runs + "\n" + g, "f: add $4,%rdi; nopl 8(%rax)\n" + g, "f", CodeFallsThrough},
		{"ends now", runs + "\n" + g, "f: add $4,%rdi; jmp g\n" + g, "f", ""},
		{"callee changed", runs + "\n" + g, runs + "\ng: lea 6(%rdi),%rax; ret", "g", ""},
		{"swapped", runs + "\n" + g + "\n" + h, runs + "\n" + h + "\n" + g, "f", CodeFallsThrough},
		{"inserted", runs + "\n" + g, runs + "\n" + added + "\n" + g, "f k", CodeFallsThrough},
		{"nothing behind", g + "\n" + runs, runs + "\n" + g, "f", CodeFallsThrough},
		{"returns", "f: lea 1(%rdi),%rax; ret\n" + g + "\n" + h, "f: lea 2(%rdi),%rax; ret\n" + h + "\n" + g, "f", ""},
		{"conditional", "f: test %rdi,%rdi; js h\n" + g + "\n" + h, "f: test %edi,%edi; js h\n" + g + "\n" + h, "f", CodeFallsThrough},
		{"call at the end", "f: mov $1,%edi; call h\n" + g + "\n" + h, "f: mov $2,%edi; call h\n" + h + "\n" + g, "f", ""},
		{"trap at the end", "f: mov $1,%edi; ud2\n" + g, "f: mov $2,%edi; ud2\n" + g, "f", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			side := func(name, functions string) string {
				text := "\t.text\n"
				for line := range strings.Lines(functions) {
					f, _, _ := strings.Cut(line, ":")
					text += "\t.globl " + f + "\n\t.type " + f + ",@function\n" + strings.TrimSpace(line) + "\n\t.size " + f + ",.-" + f + "\n"
				}
				return build{cc: "gcc"}.compile(t, filepath.Join(dir, name), "unit.s", text)
			}
			d := mustCompare(t, side("pre", c.pre), side("post", c.post))
			var changed []string
			for _, v := range verdicts(d) {
				if status, name, _ := strings.Cut(v, " "); status == "changed" || status == "new" {
					changed = append(changed, name)
				}
			}
			if got := strings.Join(changed, " "); got != c.changed {
				t.Errorf("changed %q, want %q:\n%s", got, c.changed, report(d))
			}
			if refused := len(d.Refusals) > 0; refused != (c.want != "") || refused && d.Refusals[0].Code != c.want {
				t.Errorf("want %q:\n%s", c.want, report(d))
			}
		})
	}
}
