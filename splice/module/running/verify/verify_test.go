package verify

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestConclude sums up entries.
func TestConclude(t *testing.T) {
	for _, c := range []struct {
		entries []State
		wrong   bool
		moving  bool
		want    State
	}{
		{entries: []State{Proven, Proven}, want: Proven},
		{entries: []State{Proven, Waiting}, want: Proven},
		{entries: []State{Waiting}, want: Waiting},
		{entries: []State{Proven}, wrong: true, want: Differs},
		{entries: []State{Proven, Differs}, want: Differs},
		{entries: []State{Inactive, Inactive}, want: Inactive},
		{entries: []State{Inactive}, wrong: true, want: Differs},
		{entries: []State{Replaced, Inactive}, want: Replaced},
		{entries: []State{Proven, Inactive}, want: Differs},
		{entries: []State{Proven, Unknown}, want: Unknown},
		{entries: []State{Proven}, moving: true, want: Unknown},
		{want: Inactive},
	} {
		u := &updating{checker: &checker{moving: c.moving}}
		for _, s := range c.entries {
			u.Entries = append(u.Entries, Entry{State: s})
		}
		if c.wrong {
			u.wrong("f", 0, "differs")
		}
		if u.conclude(); u.State != c.want {
			t.Errorf("%+v: %s, %s", c, u.State, u.Why)
		}
	}
}

func TestReport(t *testing.T) {
	r := &Report{Schema: Schema, Updates: []Update{
		{Name: "fix", ID: "0123456789abcdef", State: Differs, Bytes: 5, Entries: []Entry{
			{Function: "f", New: 0x10, By: "ftrace", State: Proven}, {Function: "g", Module: "8021q", State: Waiting, Why: "its module is not loaded"},
		}, Wrong: []Wrong{{"h", 0x20, "other\x1b"}}},
		{Name: "other", State: Inactive, Why: "it is not loaded"},
	}}
	var b strings.Builder
	if err := r.Text(&b); err != nil {
		t.Fatal(err)
	}
	want := `fix: differs, id 0123456789ab, 5 bytes compared
  f: its calls lead to 0x10, by ftrace
  g of 8021q: waiting: its module is not loaded
  wrong: h at 0x20: other\u001b
other: inactive: it is not loaded
`
	if b.String() != want || r.Proven() {
		t.Errorf("%s\nwant\n%s", b.String(), want)
	}
	out, err := json.Marshal(r)
	if err != nil || strings.Contains(string(out), "null") {
		t.Errorf("%s, %v", out, err)
	}
}
