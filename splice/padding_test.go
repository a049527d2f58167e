package splice_test

import (
	"os/exec"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/splice"
)

// paddingCases are functions that are shorter than a jump.
var paddingCases = []struct {
	name, unit string
	flags      []string // of the compiler
	link       []string
	code       splice.Code
	pads       bool // only what is near it is room
}{
	{name: "symbols prove it", unit: shortUnit, flags: []string{"-ffunction-sections"}},
	{name: "int3", unit: shortUnit, flags: []string{"-ffunction-sections"}, link: []string{"lld"}},
	{name: "pre proves it", unit: shortUnit, link: []string{"-s"}},
	{name: "nothing proves it", unit: shortUnit, flags: []string{"-ffunction-sections"}, link: []string{"-s"}, code: splice.CodeTooShort},
	{name: "no padding", unit: shortUnit, flags: []string{"-falign-functions=1", "-Os"}, code: splice.CodeTooShort},
	{name: "somebody's nops", pads: true, flags: []string{"-ffunction-sections"}, unit: shortUnit + `
		asm(".section .text.one,\"ax\"\nstray: nop\nnop\nnop\nnop\nnop\nnop\nnop\nret\n.text");`},
	{name: "code without a name", pads: true, flags: []string{"-ffunction-sections"}, unit: shortUnit + `
		asm(".section .text.one,\"ax\"\nnop\nnop\nret\n.text");`},
	{name: "room of the next function", code: splice.CodeTooShort, flags: []string{"-ffunction-sections", "-fpatchable-function-entry=4,4"}, unit: shortUnit},
}

const shortUnit = `
	int one(int x) { return x P(* 7 + 1); }
	int f(int x) { return one(x) ^ one(x + 1); }
	int after(int x) { return one(x) * 3; }`

// TestPadding builds updates of functions with padding behind them, or what looks so.
func TestPadding(t *testing.T) {
	testenv.Need(t, "gcc", "clang-14", "ld.lld-14")
	lld, _ := exec.LookPath("ld.lld-14")
	for _, c := range paddingCases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f, objects := parts(t, c.unit, "", append([]string{"-O2", "-fno-inline", "-fno-ipa-icf", "-fcf-protection=none", "-fno-toplevel-reorder"}, c.flags...)...)
			link := append(objects, "-o", f.image)
			if len(c.link) > 0 && c.link[0] == "lld" {
				link = append(link, "--ld-path="+lld)
			} else {
				link = append(link, c.link...)
			}
			command(t, "clang-14", link...)
			u, err := f.build(t, openELF(t, f.image))
			if checkCode(t, err, c.code); err != nil {
				return
			}
			if c.pads {
				if u.Format != splice.PadsFormat {
					t.Errorf("format %d", u.Format)
				}
				return
			}
			for _, r := range u.Objects[0].Redirects {
				if _, err := splice.Plan(splice.Function{Name: r.Function, Addr: r.Old[0].Addr, Code: r.Old[0].Bytes, Entries: r.Entries}, r.Old[0].Addr+1<<20); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
