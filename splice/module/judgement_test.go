package module

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gosplice/gosplice/elfdiff"
)

// TestReasons collects what a person has accepted, for .modinfo.
func TestReasons(t *testing.T) {
	judged := func(code elfdiff.Code, symbol string, accept ...elfdiff.Acceptance) elfdiff.Finding {
		f := elfdiff.NewFinding(code, symbol, "")
		f.AcceptedBy(accept)
		return f
	}
	why := elfdiff.Acceptance{Code: elfdiff.CodeConstShared, Reason: "nobody has it open"}
	d := &elfdiff.Diff{Findings: []elfdiff.Finding{
		judged(elfdiff.CodeConstShared, "ops", why), judged(elfdiff.CodeConstShared, "ops", why), judged(elfdiff.CodeUnused, "f"),
		judged(elfdiff.CodeDataChanged, "limit", elfdiff.Acceptance{Code: elfdiff.CodeDataChanged}),
	}}
	b := &judgement{found: []elfdiff.Finding{judged(elfdiff.CodeNMI, "", elfdiff.Acceptance{Code: elfdiff.CodeNMI, Reason: "no perf"})}}
	b.accept([]Pair{{Diff: d}})
	if err := b.refused.err(); err != nil || len(b.accepted) != 4 {
		t.Errorf("%v, %v", b.accepted, err)
	}
	want := []string{"const-shared:ops=nobody has it open", "nmi=no perf"}
	if diff := cmp.Diff(want, b.reasons()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for _, bad := range []string{"two\nlines", "a\x00name=x"} {
		b := &judgement{found: []elfdiff.Finding{judged(elfdiff.CodeNMI, "", elfdiff.Acceptance{Code: elfdiff.CodeNMI, Reason: bad})}}
		b.accept(nil)
		if err := b.refused.err(); !errors.Is(err, CodeNotOneLine) || strings.Contains(err.Error(), "\x00") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
