package verify

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/splice/module/running"
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

// TestLoadedFrom has modules that were loaded from files, of which one is given twice, and one is
// of another build.
func TestLoadedFrom(t *testing.T) {
	file := func(name string, id, content byte) *running.File {
		b := &elfobj.Builder{}
		b.AddSection(elfobj.SectionHeader{Name: kerneltab.BuildIDNote, Type: elf.SHT_NOTE, Flags: elf.SHF_ALLOC}, []byte{4, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 'G', 'N', 'U', 0, id})
		b.AddSection(elfobj.SectionHeader{Name: kerneltab.Modinfo, Type: elf.SHT_PROGBITS, Flags: elf.SHF_ALLOC}, []byte("name="+name+"\x00livepatch=Y\x00"))
		b.AddSection(elfobj.SectionHeader{Name: kerneltab.Data, Type: elf.SHT_PROGBITS, Flags: elf.SHF_ALLOC}, []byte{content})
		var out bytes.Buffer
		if _, err := b.WriteTo(&out); err != nil {
			t.Fatal(err)
		}
		f, err := running.ReadFile(&out)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	modules := []image.Module{{Name: "vmlinux", BuildID: []byte{1}}, {Name: "a", BuildID: []byte{2}}, {Name: "b", BuildID: []byte{3}}}
	a, again, forged, b, kernel := file("a", 2, 0), file("a", 2, 0), file("a", 2, 1), file("b", 9, 0), file("vmlinux", 1, 0)
	of, others, err := loadedFrom(modules, []*running.File{a, again, forged, b, kernel})
	if err != nil || len(of) != 1 || of[1] != a || !slices.Equal(others, []*running.File{forged, b, kernel}) {
		t.Errorf("%v, %v, %v", of, others, err)
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
