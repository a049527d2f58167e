package main

import (
	"bytes"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
)

// TestBeside tells what two compilers' objects of one patch are said to be, where that
// differs. The parts that a compiler makes of a function are no difference.
func TestBeside(t *testing.T) {
	of := func(source string, outcome elfdiff.Outcome, code string, changed ...string) judgement {
		v := judgement{Source: source, Outcome: outcome, changed: changed}
		if code != "" {
			v.Reasons = []reason{{Code: code, Severity: "judge"}}
		}
		return v
	}
	here := &judged{Pairs: []judgement{
		of("a.c", elfdiff.OutcomeCarried, "", "f.isra.0", "g"),
		of("b.c", elfdiff.OutcomeCarried, "", "f", "inlined"),
		of("c.c", elfdiff.OutcomeJudge, "table", "f"),
		of("alone.c", elfdiff.OutcomeCarried, "", "f"),
	}}
	kernel := &judged{Pairs: []judgement{
		of("a.c", elfdiff.OutcomeCarried, "", "g", "f.cold", "f"),
		of("b.c", elfdiff.OutcomeCarried, "", "f", "caller"),
		of("c.c", elfdiff.OutcomeRefused, "", "f"),
	}}
	var out bytes.Buffer
	compareJudged(here, kernel).print(&out)
	want := "1 of 3 pairs have the verdict of the kernel's compiler\n" +
		"  b.c: here inlined; there caller\n" +
		"  c.c: here judge judge:table; there refused\n"
	if got := out.String(); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	out.Reset()
	(*besides)(nil).print(&out)
	if out.Len() > 0 {
		t.Errorf("of nothing it says %q", out.String())
	}
}
