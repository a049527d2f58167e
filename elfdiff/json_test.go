package elfdiff

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
)

// TestEnumText has every value of every enumeration written as a word and read again.
func TestEnumText(t *testing.T) {
	for k := object.Meta; k <= object.Special; k++ {
		enumText(t, k, new(object.Kind))
	}
	for s := verdict.Same; s <= verdict.Removed; s++ {
		enumText(t, s, new(verdict.Status))
	}
	for s := Carried; s <= Refused; s++ {
		enumText(t, s, new(Severity))
	}
}

func enumText[T comparable](t *testing.T, v T, back *T) {
	t.Helper()
	text, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(text, back)
	}
	if err != nil || *back != v || len(text) < 4 || text[0] != '"' {
		t.Errorf("%T %v: %s, %v, %v", v, v, text, *back, err)
	}
	for _, bad := range []string{`"nonsense"`, `""`, `[]`} {
		if err := json.Unmarshal([]byte(bad), back); err == nil || *back != v {
			t.Errorf("%T: %s is %v", v, bad, *back)
		}
	}
}

// TestChangeJSON has a change with all that it can hold, and the form of it.
func TestChangeJSON(t *testing.T) {
	why := verdict.Reason{Code: verdict.ReasonInstruction, PreOffset: 1, PostOffset: 1 << 63, PreText: "jle +0x36", PostText: "jg ü", Detail: "why"}
	roundTrip(t, verdict.Change{Name: "f", Kind: object.Func, Pre: object.NoAtom, Post: 3, Status: verdict.New, Rule: verdict.RuleStem, Reasons: []verdict.Reason{why}, Incidental: []verdict.Reason{{Code: verdict.ReasonLine}}})
	text, err := json.Marshal([]any{verdict.Change{Name: "f", Kind: object.Func}, Aside{"g", verdict.Reason{Code: verdict.ReasonLine, PreText: "3"}}})
	const want = `[{"name":"f","kind":"function","pre":0,"post":0,"status":"same","rule":"","reasons":[],"incidental":[]},` +
		`{"symbol":"g","code":"line","pre_offset":0,"post_offset":0,"pre":"3","post":"","detail":""}]`
	if err != nil || string(text) != want {
		t.Errorf("%s %v", text, err)
	}
}

// checkJSON has what a comparison says written as JSON and read again.
func checkJSON(t *testing.T, d *Diff) {
	t.Helper()
	roundTrip(t, d.Functions)
	roundTrip(t, d.Data)
	roundTrip(t, d.Findings)
	roundTrip(t, d.Refusals)
	roundTrip(t, d.SetAside())
}

func roundTrip[T any](t *testing.T, v T) {
	t.Helper()
	text, err := json.Marshal(v)
	var back T
	if err == nil {
		err = json.Unmarshal(text, &back)
	}
	if err != nil {
		t.Fatalf("%T: %v\n%s", v, err, text)
	}
	if diff := cmp.Diff(v, back, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%T (-want +got):\n%s", v, diff)
	}
}
