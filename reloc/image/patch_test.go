package image

import (
	"encoding/json"
	"testing"
)

func TestPatchJSON(t *testing.T) {
	for _, p := range []Patch{
		{Kind: PatchTraced, Offset: 4, Address: 0xffffffff81000004, Target: 0xffffffff81100000, Name: "ftrace_caller"},
		{Kind: PatchBreakpoint, Offset: 9, Address: 0x401009},
	} {
		b, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var got Patch
		if err := json.Unmarshal(b, &got); err != nil || got != p {
			t.Errorf("%s: %+v, %v", b, got, err)
		}
	}
	var p Patch
	if err := json.Unmarshal([]byte(`{"kind":"nonsense"}`), &p); err == nil {
		t.Error("a kind that does not exist was read")
	}
}
