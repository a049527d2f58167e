package splice

import (
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/reloc"
)

// TestNotMatchedHint: what helps goes by why a function was not found. Another compiler is no help
// where somebody has redirected it.
func TestNotMatchedHint(t *testing.T) {
	a := &object.Atom{Name: "f"}
	differs := func(r reloc.Reason) *reloc.FuncResult {
		return &reloc.FuncResult{Verdict: reloc.Mismatch, Mismatch: &reloc.MismatchError{Func: "f", Reason: r}}
	}
	for _, c := range []struct {
		f    *reloc.FuncResult
		want string
	}{
		{nil, "very compiler"},
		{differs(reloc.ReasonBytes), "very compiler"},
		{differs(reloc.ReasonRedirected), "revert the update"},
		{differs(reloc.ReasonBreakpoint), "breakpoint"},
		{differs(reloc.ReasonUnreadable), "truncated"},
		{differs(reloc.ReasonUnsupported), "relocation"},
		{&reloc.FuncResult{Verdict: reloc.Ambiguous, Candidates: []uint64{1, 2}}, "mapped twice"},
		{&reloc.FuncResult{Verdict: reloc.Absent}, "very compiler"},
	} {
		if r := notMatched(a, c.f); r.Code != CodeNotMatched || !strings.Contains(r.Hint, c.want) {
			t.Errorf("%+v: %v, %q has no %q", c.f, r, r.Hint, c.want)
		}
	}
}
