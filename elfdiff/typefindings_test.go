package elfdiff

import (
	"slices"
	"testing"
)

// TestTypeFindings wants a changed layout to be a refusal until it is accepted.
func TestTypeFindings(t *testing.T) {
	pre, post := mustOpen(t, "testdata/types/gcc-pre.o"), mustOpen(t, "testdata/types/gcc-post.o")
	codes := []Acceptance{{Code: CodeTypeLayout}, {Code: CodeTypeEnum}, {Code: CodeTypeSignature}, {Code: CodeTypeConstant}}
	for _, accept := range [][]Acceptance{nil, codes} {
		d, err := Compare(pre, post, Options{Types: true, Accept: accept})
		if err != nil {
			t.Fatal(err)
		}
		var found []Finding
		for _, r := range d.Refusals {
			if isOneOf(codes, r.Code) {
				if accept != nil {
					t.Errorf("accepted, and refused: %v", r)
				}
				found = append(found, r.Finding)
			}
		}
		for _, f := range d.Findings {
			if isOneOf(codes, f.Code) {
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

func isOneOf(list []Acceptance, code Code) bool {
	return slices.ContainsFunc(list, func(a Acceptance) bool { return a.Code == code })
}

// TestAcceptSymbol accepts one changed type, and not those beside it.
func TestAcceptSymbol(t *testing.T) {
	pre, post := mustOpen(t, "testdata/types/gcc-pre.o"), mustOpen(t, "testdata/types/gcc-post.o")
	const symbol = "struct far_away"
	d, err := Compare(pre, post, Options{Types: true, Accept: []Acceptance{{Code: CodeTypeLayout, Symbol: symbol, Reason: "it is new"}, {Code: CodeTypeEnum, Symbol: symbol, Reason: "it is new"}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range d.Refusals {
		if r.Symbol == symbol {
			t.Errorf("accepted, and refused: %v", r)
		}
	}
	if !slices.ContainsFunc(d.Findings, func(f Finding) bool { return f.Symbol == symbol && f.Accepted && f.Reason == "it is new" }) || len(d.Refusals) == 0 {
		t.Errorf("findings %v, refusals %v", d.Findings, d.Refusals)
	}
	if d.TypeFindings() != nil {
		t.Error("what the comparison has reported comes again")
	}
}

// TestTypeFindingsLater asks a comparison that had no types for what they mean.
func TestTypeFindingsLater(t *testing.T) {
	pre, post := mustOpen(t, "testdata/types/gcc-pre.o"), mustOpen(t, "testdata/types/gcc-post.o")
	with, err := Compare(pre, post, Options{Types: true})
	if err != nil {
		t.Fatal(err)
	}
	without, err := Compare(pre, post, Options{})
	if err != nil {
		t.Fatal(err)
	}
	list := without.TypeFindings()
	for i := range list {
		if !slices.ContainsFunc(with.Refusals, func(r Refusal) bool { return r.Finding == list[i] }) {
			t.Errorf("not reported with types: %v", list[i])
		}
	}
	if len(list) == 0 {
		t.Error("no findings")
	}
}
