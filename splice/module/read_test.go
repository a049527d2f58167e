package module

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/splice/module/internal/ko"
)

// written is the file of a module that replaces nothing: what its identity is made of.
func written(t testing.TB, name string) []byte {
	t.Helper()
	b := &builder{references: newReferences(&Kernel{id: []byte{1, 2, 3, 4}}, ko.NewFile()), opt: Options{Name: name, License: "GPL"}}
	b.modinfo()
	b.identity()
	m, err := b.finish()
	if err != nil {
		t.Fatal(err)
	}
	return m.Bytes()
}

func TestRead(t *testing.T) {
	file := written(t, "fix")
	m, err := Read(bytes.NewReader(file))
	if err != nil || m.Name != "fix" || len(m.ID) != 2*buildIDSize || m.Kernel != "01020304" || m.Signed || !bytes.Equal(m.Bytes(), file) {
		t.Fatalf("%+v, %v", m, err)
	}
	signed, err := Read(bytes.NewReader(append(bytes.Clone(file), "~Module signature appended~\n"...)))
	if err != nil || !signed.Signed || signed.ID != m.ID {
		t.Errorf("%+v, %v", signed, err)
	}
	for _, bad := range [][]byte{nil, []byte("text"), file[:len(file)/2], written(t, "../x"), written(t, "")} {
		if m, err := Read(bytes.NewReader(bad)); err == nil {
			t.Errorf("%+v", m)
		}
	}
	object, err := elfdiff.Open("../../reloc/testdata/tiny.o")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := object.File.Rewrite(&b); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(&b); !errors.Is(err, ErrNotModule) {
		t.Error(err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(written(f, "fix"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := Read(bytes.NewReader(b)); err == nil && !isName(m.Name) {
			t.Errorf("%q", m.Name)
		}
	})
}

// TestModuleJSON has what is known of a module written as JSON and read again.
func TestModuleJSON(t *testing.T) {
	f := elfdiff.NewFinding(elfdiff.CodeNMI, "g", "it is")
	f.AcceptedBy([]elfdiff.Acceptance{{Code: f.Code, Reason: "no perf"}})
	m := &Module{
		Schema: Schema, Kernel: "0102", Name: "fix", ID: "ab", Signed: true, Pinned: true,
		Functions:  []Function{{"f", "8021q", 2, 1 << 63, 10, 5, "symbol", MethodJump}},
		Data:       []Data{{"ops", 1<<64 - 1, 8, "nvme"}},
		Initials:   []Initial{{"limit", 7, 4, true, ""}},
		References: []Reference{{"printk", 9, "anchor", "garp", "8021q"}},
		Findings:   []elfdiff.Finding{f}, Accepted: []elfdiff.Finding{f},
		Pins:   []Pin{{"a.o", "timer", "f", 3, "is passed on"}},
		Origin: &Origin{Patches: []SourcePatch{{"a.patch", "d1"}}, Fixes: []string{"CVE-1"}, Functions: []string{"f,0"}, Data: []string{"ops"}, Replaces: "cd"},
	}
	text, err := json.Marshal(m)
	var back Module
	if err == nil {
		err = json.Unmarshal(text, &back)
	}
	if diff := cmp.Diff(m, &back, cmpopts.IgnoreUnexported(Module{})); diff != "" || err != nil {
		t.Errorf("%v\n%s\n%s", err, text, diff)
	}
	a := Affected{Name: "struct foo", Files: []string{"a.c"}, Functions: []string{}, Places: []string{"f+0x1"}, DefinedIn: "b.c", Exported: true, Unknown: "m"}
	text, err = json.Marshal(a)
	var again Affected
	if err == nil {
		err = json.Unmarshal(text, &again)
	}
	if diff := cmp.Diff(a, again); diff != "" || err != nil {
		t.Errorf("%v\n%s\n%s", err, text, diff)
	}
}
