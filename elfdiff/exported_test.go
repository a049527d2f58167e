package elfdiff

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

const exportedAsm = `
	.globl ff
	.type ff,@function
ff:	mov %rdi,%rax
	IN1
	nop
	nop
	IN2
	add $1,%rax
	IN3
	add $2,%rax
	ret
	.size ff,.-ff
	.globl number
	number = NUMBER
	.data
	.globl table
	.type table,@object
table:	.quad 1,2,3,4
	.size table,32
	.globl third
	third = table + THIRD
	BIND chosen
	.type chosen,@object
chosen:	.quad 7
	.size chosen,8
`

// TestExported moves what other objects can link to.
func TestExported(t *testing.T) {
	testenv.Need(t, "gcc")
	base := []string{"IN1", "", "IN2", ".globl fin; fin:", "IN3", "", "NUMBER", "5", "THIRD", "16", "BIND", ".globl"}
	for _, c := range []struct {
		name   string
		post   []string
		symbol string // "" when all is the same
	}{
		{"the same", nil, ""},
		{"behind an instruction", []string{"IN2", "", "IN3", ".globl fin; fin:"}, "fin"},
		{"a number", []string{"NUMBER", "6"}, "number"},
		{"another member", []string{"THIRD", "24"}, "third"},
		{"weak", []string{"BIND", ".weak"}, "chosen"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			var obj [2]string
			for i, rep := range [][]string{base, append(c.post[:len(c.post):len(c.post)], base...)} {
				text := strings.NewReplacer(firsts(rep)...).Replace(exportedAsm)
				obj[i] = build{cc: "gcc"}.compile(t, filepath.Join(dir, []string{"pre", "post"}[i]), "unit.s", text)
			}
			d := mustCompare(t, obj[0], obj[1])
			want := OutcomeSame
			if c.symbol != "" {
				want = OutcomeJudge
			}
			if d.Outcome() != want {
				t.Fatalf("outcome %s, want %s:\n%s", d.Outcome(), want, report(d))
			}
			if c.symbol != "" && (len(d.Refusals) != 1 || d.Refusals[0].Code != CodeExported || d.Refusals[0].Symbol != c.symbol) {
				t.Errorf("want %s of %s:\n%s", CodeExported, c.symbol, report(d))
			}
		})
	}
}

// firsts keeps the first value of each word.
func firsts(list []string) []string {
	seen := map[string]bool{}
	var out []string
	for i := 0; i < len(list); i += 2 {
		if !seen[list[i]] {
			out = append(out, list[i], list[i+1])
		}
		seen[list[i]] = true
	}
	return out
}
