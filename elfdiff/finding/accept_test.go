package finding

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseAcceptance(t *testing.T) {
	tests := []struct {
		text string
		want []Acceptance // nil where it is an error
	}{
		{"const-shared", []Acceptance{{Code: CodeConstShared}}},
		{"const-shared:ops", []Acceptance{{CodeConstShared, "ops", ""}}},
		{"type-layout:struct foo=nothing, that: lives=on", []Acceptance{{CodeTypeLayout, "struct foo", "nothing, that: lives=on"}}},
		{"const-shared:a,nmi,data-changed:b=looked at", []Acceptance{{CodeConstShared, "a", "looked at"}, {CodeNMI, "", "looked at"}, {CodeDataChanged, "b", "looked at"}}},
		{"const-shared=", []Acceptance{{Code: CodeConstShared}}},
		{"", nil},
		{"=why", nil},
		{"const-shared:", nil},
		{"const-shared,", nil},
		{"nonsense:f", nil},
		{"tls-changed:x", nil}, // of which nothing can come
		{"too-short", nil},     // of another package
	}
	for _, tt := range tests {
		got, err := ParseAcceptance(tt.text)
		if diff := cmp.Diff(tt.want, got); diff != "" || (err == nil) != (tt.want != nil) {
			t.Errorf("%q: %v\n%s", tt.text, err, diff)
		}
		if len(tt.want) == 1 && err == nil {
			again, err := ParseAcceptance(got[0].String())
			if diff := cmp.Diff(got, again); diff != "" || err != nil {
				t.Errorf("%s: %v\n%s", got[0], err, diff)
			}
		}
	}
}

func TestAcceptedBy(t *testing.T) {
	one := New(CodeConstShared)
	one.Symbol = "ops"
	tests := []struct {
		name     string
		f        Finding
		accept   []Acceptance
		want     bool // is in no update's way
		accepted bool
		reason   string
	}{
		{"carried", New(CodeUnused), nil, true, false, ""},
		{"refused", New(CodeTLSChanged), []Acceptance{{Code: CodeTLSChanged}}, false, false, ""},
		{"judge", one, nil, false, false, ""},
		{"another code", one, []Acceptance{{Code: CodeNMI}}, false, false, ""},
		{"another symbol", one, []Acceptance{{CodeConstShared, "op", "why"}}, false, false, ""},
		{"code", one, []Acceptance{{Code: CodeConstShared}}, true, true, ""},
		{"symbol, with the first reason", one, []Acceptance{{Code: CodeConstShared}, {CodeConstShared, "ops", "why"}, {CodeConstShared, "", "late"}}, true, true, "why"},
	}
	for _, tt := range tests {
		if f := tt.f; f.AcceptedBy(tt.accept) != tt.want || f.Accepted != tt.accepted || f.Reason != tt.reason {
			t.Errorf("%s: %+v", tt.name, f)
		}
	}
	f := one
	f.AcceptedBy([]Acceptance{{CodeConstShared, "", "why"}})
	text, err := json.Marshal(Accepted([]Finding{one, f, New(CodeUnused)}))
	var back []Finding
	if err == nil {
		err = json.Unmarshal(text, &back)
	}
	if err != nil || len(back) != 1 || back[0] != f || one.Accepted {
		t.Errorf("%s: %+v, %v", text, back, err)
	}
}
