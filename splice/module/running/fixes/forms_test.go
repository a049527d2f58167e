package fixes

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

var someReport = &Report{Schema: Schema, Kernel: "3b43fad5", Fixes: []Fix{
	{Name: "CVE-2026-0001", State: Fixed, Why: "1 function with the fix", Updates: []string{"fix"}},
	{Name: "CVE-2026-0002", State: NotFixed, Why: "1 of 1 function without the fix", Updates: []string{"fix2", "fix3"}},
	{Name: "say \"so\\\n\xff", State: Undecided, Why: "it can't be told", Updates: []string{"fix"}},
}}

// vexKeys are the keys that the schema of OpenVEX 0.2.0 has for a document and for a statement,
// and whether they are required; no others are allowed.
var vexKeys = map[string]map[string]bool{
	"document":  {"@context": true, "@id": true, "author": true, "role": false, "timestamp": true, "last_updated": false, "version": true, "tooling": false, "statements": true},
	"statement": {"@id": false, "version": false, "vulnerability": true, "timestamp": false, "last_updated": false, "products": false, "status": true, "supplier": false, "status_notes": false, "justification": false, "impact_statement": false, "action_statement": false, "action_statement_timestamp": false},
	"product":   {"@id": false, "identifiers": false, "hashes": false, "subcomponents": false},
	"name":      {"@id": false, "name": true, "description": false, "aliases": false},
}

func checkKeys(t *testing.T, what string, x any) map[string]any {
	t.Helper()
	m, ok := x.(map[string]any)
	if !ok {
		t.Fatalf("%s: %T", what, x)
	}
	for key := range m {
		if _, ok := vexKeys[what][key]; !ok {
			t.Errorf("%s has a key %q", what, key)
		}
	}
	for key, required := range vexKeys[what] {
		if _, ok := m[key]; !ok && required {
			t.Errorf("%s has no key %q", what, key)
		}
	}
	return m
}

// TestOpenVEX checks the document by the rules of the schema of OpenVEX 0.2.0.
func TestOpenVEX(t *testing.T) {
	opt := VEX{Author: "somebody", Time: time.Unix(1800000000, 0)}
	var one, two strings.Builder
	for _, w := range []*strings.Builder{&one, &two} {
		if err := someReport.OpenVEX(w, opt); err != nil {
			t.Fatal(err)
		}
	}
	if one.String() != two.String() {
		t.Error("two documents of one report")
	}
	var raw any
	if err := json.Unmarshal([]byte(one.String()), &raw); err != nil {
		t.Fatal(err)
	}
	d := checkKeys(t, "document", raw)
	if d["@context"] != "https://openvex.dev/ns/v0.2.0" || d["version"] != 1.0 || !strings.HasPrefix(d["@id"].(string), "urn:gosplice:vex:") {
		t.Errorf("%v", d)
	}
	if _, err := time.Parse(time.RFC3339, d["timestamp"].(string)); err != nil {
		t.Error(err)
	}
	want := []string{"fixed", "affected", "under_investigation"}
	for i, x := range d["statements"].([]any) {
		s := checkKeys(t, "statement", x)
		checkKeys(t, "name", s["vulnerability"])
		p := checkKeys(t, "product", s["products"].([]any)[0])
		if p["@id"] != "pkg:generic/linux?build_id=3b43fad5" {
			t.Errorf("product %v", p)
		}
		_, action := s["action_statement"]
		if s["status"] != want[i] || action != (want[i] == "affected") {
			t.Errorf("%v", s)
		}
	}
}

func TestOpenVEXRefused(t *testing.T) {
	for want, c := range map[string]struct {
		r   *Report
		opt VEX
	}{
		"has none":       {&Report{Fixes: []Fix{{State: Fixed}}}, VEX{Author: "a", Time: time.Unix(1, 0)}},
		"no fix":         {&Report{}, VEX{Author: "a", Time: time.Unix(1, 0)}},
		"an author":      {someReport, VEX{Time: time.Unix(1, 0)}},
		"no package URL": {someReport, VEX{Author: "a", Product: "linux", Time: time.Unix(1, 0)}},
	} {
		if err := c.r.OpenVEX(new(strings.Builder), c.opt); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// TestMetrics checks each line by the grammar of the format.
func TestMetrics(t *testing.T) {
	var b strings.Builder
	if err := someReport.Metrics(&b, time.Unix(1800000000, 0)); err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`^(# (HELP [a-z_]+ .+|TYPE [a-z_]+ gauge)|[a-z_]+(\{[a-z]+="(\\[\\n"]|[^\\"])*"(,[a-z]+="(\\[\\n"]|[^\\"])*")*\})? [0-9]+)$`)
	for s := range strings.Lines(b.String()) {
		if !line.MatchString(strings.TrimSuffix(s, "\n")) {
			t.Errorf("%q", s)
		}
	}
	for _, want := range []string{
		`gosplice_fix{fix="CVE-2026-0001",state="fixed"} 1`, `gosplice_fix{fix="CVE-2026-0001",state="not-fixed"} 0`,
		`gosplice_fix{fix="say \"so\\\n` + "\uFFFD" + `",state="undecided"} 1`, `gosplice_fixes{state="not-fixed"} 1`, "gosplice_fixes_checked_seconds 1800000000",
	} {
		if !strings.Contains(b.String(), want+"\n") {
			t.Errorf("no line %s in\n%s", want, b.String())
		}
	}
}

// TestJSON has lists that are never null.
func TestJSON(t *testing.T) {
	b, err := json.Marshal(someReport)
	if err != nil || strings.Contains(string(b), "null") {
		t.Errorf("%s, %v", b, err)
	}
	var back Report
	if err := json.Unmarshal(b, &back); err != nil || len(back.Fixes) != 3 || back.Fixes[1].State != NotFixed {
		t.Errorf("%+v, %v", back, err)
	}
}

func ExampleReport_OpenVEX() {
	r := &Report{Kernel: "3b43fad5", Fixes: []Fix{{Name: "CVE-2026-0001", State: Fixed, Why: "1 function with the fix"}}}
	err := r.OpenVEX(os.Stdout, VEX{Author: "somebody", ID: "https://example.com/vex/1", Time: time.Unix(1800000000, 0)})
	if err != nil {
		panic(err)
	}
	// Output:
	// {
	//   "@context": "https://openvex.dev/ns/v0.2.0",
	//   "@id": "https://example.com/vex/1",
	//   "author": "somebody",
	//   "timestamp": "2027-01-15T08:00:00Z",
	//   "version": 1,
	//   "tooling": "gosplice",
	//   "statements": [
	//     {
	//       "vulnerability": {
	//         "name": "CVE-2026-0001"
	//       },
	//       "products": [
	//         {
	//           "@id": "pkg:generic/linux?build_id=3b43fad5",
	//           "identifiers": {
	//             "purl": "pkg:generic/linux?build_id=3b43fad5"
	//           }
	//         }
	//       ],
	//       "status": "fixed",
	//       "status_notes": "in the memory of the kernel: 1 function with the fix"
	//     }
	//   ]
	// }
}

func ExampleReport_Metrics() {
	r := &Report{Fixes: []Fix{{Name: "CVE-2026-0001", State: Fixed}}}
	if err := r.Metrics(os.Stdout, time.Unix(1800000000, 0)); err != nil {
		panic(err)
	}
	// Output:
	// # HELP gosplice_fix Whether a fix is in a state, by the code in the memory of the kernel.
	// # TYPE gosplice_fix gauge
	// gosplice_fix{fix="CVE-2026-0001",state="fixed"} 1
	// gosplice_fix{fix="CVE-2026-0001",state="not-fixed"} 0
	// gosplice_fix{fix="CVE-2026-0001",state="undecided"} 0
	// # HELP gosplice_fixes Number of fixes in a state.
	// # TYPE gosplice_fixes gauge
	// gosplice_fixes{state="fixed"} 1
	// gosplice_fixes{state="not-fixed"} 0
	// gosplice_fixes{state="undecided"} 0
	// # HELP gosplice_fixes_checked_seconds When the memory of the kernel was looked at, in seconds since 1970.
	// # TYPE gosplice_fixes_checked_seconds gauge
	// gosplice_fixes_checked_seconds 1800000000
}
