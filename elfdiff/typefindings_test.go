package elfdiff

import (
	"slices"
	"testing"
)

// TestTypeFindings wants a changed layout to be a refusal until it is accepted.
func TestTypeFindings(t *testing.T) {
	pre, post := mustOpen(t, "testdata/types/gcc-pre.o"), mustOpen(t, "testdata/types/gcc-post.o")
	codes := []Code{CodeTypeLayout, CodeTypeEnum, CodeTypeSignature, CodeTypeConstant}
	for _, accept := range [][]Code{nil, codes} {
		d, err := Compare(pre, post, Options{Types: true, Accept: accept})
		if err != nil {
			t.Fatal(err)
		}
		var found []Finding
		for _, r := range d.Refusals {
			if slices.Contains(codes, r.Code) {
				if accept != nil {
					t.Errorf("accepted, and refused: %v", r)
				}
				found = append(found, r.Finding)
			}
		}
		for _, f := range d.Findings {
			if slices.Contains(codes, f.Code) {
				if !f.Accepted {
					t.Errorf("not accepted, and not refused: %v", f)
				}
				found = append(found, f)
			}
		}
		seen := map[string]Finding{}
		for _, f := range found {
			seen[f.Symbol] = f
		}
		f := seen["struct far_away"]
		if f.Message != "size 4 -> 8; pad added at +0x0; value moved from +0x0 to +0x4, used by signature (b->far)" || f.Hint == "" || f.Accept == "" {
			t.Errorf("%+v", f)
		}
		if _, ok := seen["struct unused"]; ok {
			t.Error("what nothing uses was reported")
		}
	}
	d, err := Compare(mustOpen(t, "testdata/objects/pre.o"), mustOpen(t, "testdata/objects/post.o"), Options{Types: true})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(d.Findings, func(f Finding) bool { return f.Code == CodeNoTypes }) {
		t.Errorf("nothing says that types were not compared: %v", d.Findings)
	}
}
