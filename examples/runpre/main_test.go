package main

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/files"
)

const (
	tinyObject = "../../reloc/testdata/tiny.o"
	tinyImage  = "../../reloc/testdata/tiny.elf"
)

// damaged returns a copy of the image in which word differs.
func damaged(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(tinyImage)
	if err != nil {
		t.Fatal(err)
	}
	i := bytes.Index(b, []byte{0x83, 0xff, 0x02}) // cmp $0x2,%edi
	if i < 0 {
		t.Fatal("the image has no such comparison")
	}
	b[i+2] = 1
	path := filepath.Join(t.TempDir(), "damaged")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// dataObject writes an object with a variable, and no code.
func dataObject(t *testing.T) string {
	t.Helper()
	var b elfobj.Builder
	sec := b.AddSection(elfobj.SectionHeader{Name: ".data", Type: elf.SHT_PROGBITS, Flags: elf.SHF_ALLOC | elf.SHF_WRITE, Addralign: 4}, []byte{1, 2, 3, 4})
	b.AddSymbol(elfobj.Symbol{Name: "x", Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_OBJECT), Section: sec, Size: 4})
	spec, err := b.Spec()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "data.o")
	if err := files.Write(path, spec); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRun(t *testing.T) {
	bad, data := damaged(t), dataObject(t)
	for _, tt := range []struct {
		name   string
		args   []string
		status int
		stdout string
		stderr string
	}{
		{"match", []string{"-run", tinyImage, tinyObject}, 0, "5 of 5 functions match", ""},
		{"search", []string{"-search", "-run", tinyImage, tinyObject}, 0, "by search", ""},
		{"mismatch", []string{"-run", bad, tinyObject}, 2, "word+0x5: bytes: pre has `cmp    $0x2,%edi`", ""},
		{"both sides", []string{"-v", "-run", bad, tinyObject}, 2, "=>   +0x5: 83 ff 01", "level=DEBUG"},
		{"audit", []string{"-audit", "-run", tinyImage, tinyObject}, 0, "1 objects, 5 functions match", ""},
		{"audit of a folder", []string{"-audit", "-run", tinyImage, filepath.Dir(tinyObject)}, 0, "1 objects, 5 functions match", ""},
		{"audit finds", []string{"-audit", "-run", bad, tinyObject}, 2, "mismatch  " + tinyObject + ": word: word+0x5: bytes", ""},
		{"data alone", []string{"-run", tinyImage, data}, 2, "0 of 0 functions match", ""},
		{"audit of data", []string{"-audit", "-run", tinyImage, data}, 2, "0 functions match", ""},
		{"data and code", []string{"-run", tinyImage, data, tinyObject}, 0, "5 of 5 functions match", ""},
		{"audit of no kernel", []string{"-audit", "-run", tinyImage, "-kernel", tinyImage}, 1, "", "no"},
		{"audit of nothing", []string{"-audit", "-run", tinyImage}, 64, "", "usage"},
		{"empty folder", []string{"-run", tinyImage, t.TempDir()}, 1, "", "no objects"},
		{"no object", []string{"-run", tinyImage}, 64, "", "usage"},
		{"no image", []string{tinyObject}, 64, "", "usage"},
		{"no such flag", []string{"-x"}, 64, "", "flag provided but not defined"},
		{"no such file", []string{"-run", tinyImage, "nothing.o"}, 1, "", "nothing.o"},
		{"no such image", []string{"-run", "nothing", tinyObject}, 1, "", "nothing"},
		{"object as image", []string{"-run", tinyObject, tinyObject}, 1, "", "tiny.o"},
		{"no pid", []string{"-run", "pid:x", tinyObject}, 1, "", "pid:x"},
		{"no kernel there", []string{"-run", "kernel:testdata", tinyObject}, 1, "", "proc/kcore"},
		{"no address", []string{"-run", "dump:" + tinyImage, tinyObject}, 1, "", "dump:FILE@ADDR"},
		{"no number", []string{"-run", "dump:" + tinyImage + "@x", tinyObject}, 1, "", "address"},
		{"no kernel in it", []string{"-run", "dump:" + tinyImage + "@0x1000", tinyObject}, 1, "", "kallsyms"},
		{"no symbols", []string{"-run", "gdb:unix:/nothing", tinyObject}, 1, "", "-symbols"},
		{"a program for a kernel", []string{"-symbols", tinyImage, "-run", "gdb:unix:/nothing", tinyObject}, 1, "", "it is a program"},
		{"no such kernel", []string{"-kernel", "nothing", "-run", tinyImage, tinyObject}, 1, "", "nothing"},
		{"no such module", []string{"-module", "libx.so", "-run", tinyImage, tinyObject}, 1, "", "libx.so"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, out, errs := tool.Try(t.Context(), run, tt.args...)
			if got != tt.status {
				t.Errorf("status %d, want %d", got, tt.status)
			}
			if !strings.Contains(out, tt.stdout) {
				t.Errorf("stdout lacks %q:\n%s", tt.stdout, out)
			}
			if !strings.Contains(errs, tt.stderr) {
				t.Errorf("stderr lacks %q:\n%s", tt.stderr, errs)
			}
		})
	}
}

func TestJSON(t *testing.T) {
	got, out, errs := tool.Try(t.Context(), run, "-json", "-run", damaged(t), tinyObject)
	if got != 2 {
		t.Fatalf("status %d: %s", got, errs)
	}
	var r struct {
		Schema  int
		Matched bool
		Objects []struct {
			Path      string
			Functions []struct {
				Name, Verdict, Address string
				Mismatch               *struct{ Offset, Reason string }
			}
			Symbols []struct{ Name, Value string }
		}
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Objects) != 1 || r.Objects[0].Path != tinyObject || r.Matched || r.Schema != 1 {
		t.Fatalf("report %+v", r)
	}
	want := map[string][2]string{
		"twice":       {"match", "0x400100"},
		"word":        {"mismatch", "0x400110"},
		"choose":      {"match", "0x400130"},
		"choose.cold": {"match", "0x4000f0"},
		"start":       {"match", "0x4001c0"},
	}
	for _, f := range r.Objects[0].Functions {
		if w := want[f.Name]; f.Verdict != w[0] || f.Address != w[1] {
			t.Errorf("%s: %s at %s, want %v", f.Name, f.Verdict, f.Address, w)
		}
		if f.Name == "word" && (f.Mismatch == nil || f.Mismatch.Offset != "0x5" || f.Mismatch.Reason != "bytes") {
			t.Errorf("mismatch %+v", f.Mismatch)
		}
	}
	found := false
	for _, s := range r.Objects[0].Symbols {
		found = found || s.Name == "state" && s.Value == "0x400458"
	}
	if !found {
		t.Errorf("no value for state: %+v", r.Objects[0].Symbols)
	}
}
