package audit

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gosplice/gosplice/reloc/image"
)

// TestJSON writes a report, and reads it again.
func TestJSON(t *testing.T) {
	r := Report{
		Bytes: 1, Moved: 2, Sites: 3, Opaque: 4, Patches: []image.Patch{},
		Findings: []Finding{{Addr: 1<<64 - 1, Symbol: "f", Offset: 16, Linked: []byte{0, 0xff}, Run: []byte{1}}},
	}
	text, err := json.Marshal(r)
	const want = `{"bytes":1,"moved":2,"sites":3,"opaque":4,"patches":[],"findings":[{"at":"0xffffffffffffffff","symbol":"f","offset":"0x10","linked":"00 ff","run":"01"}]}`
	if err != nil || string(text) != want {
		t.Fatalf("%s %v", text, err)
	}
	var back Report
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, back); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{`{}`, `{"at":"x"}`, `{"at":"1","offset":"1","linked":"x"}`, `1`} {
		if err := json.Unmarshal([]byte(bad), new(Finding)); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
}
