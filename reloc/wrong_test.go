package reloc

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// edits are changes of the victims' sources, and the functions that are not the
// same afterwards.
var edits = []struct {
	name     string
	file     string
	old, new string
	want     []string // functions of that file; others of the file match
	gone     string   // a function that nothing needs any more
	reason   Reason   // of the first
}{
	{"constant", "twins", "x * x * 17 + 4", "x * x * 17 + 5", []string{"same"}, "", ReasonBytes},
	{"string", "shapes", `"unknown shape"`, `"unknown thing"`, []string{"name_of"}, "", ReasonContent},
	{"string in a table", "shapes", `"triangle"`, `"trianglo"`, []string{"name_of"}, "", ReasonContent},
	{"floating point constant", "shapes", "3.14159265358979", "3.24159265358979", []string{"area"}, "", ReasonContent},
	{"number in a table", "data", "9, 7, 9, 3 }", "9, 7, 9, 4 }", []string{"table_sum"}, "", ReasonContent},
	{"pointer in a table", "data", `{ "mul", mul, 3 }`, `{ "mul", both, 3 }`, []string{"dispatch"}, "mul", ReasonSymbol},
	{"other variable", "twins", "right_state += x;\n\treturn right_state", "left_state += x;\n\treturn left_state", []string{"right"}, "", ReasonSymbol},
	{"other callee", "twins", "left(n), b = right(n + 1)", "right(n), b = left(n + 1)", []string{"twins"}, "", ReasonSymbol},
	{"new call", "threads", "sum += bump(i)", "sum += bump(i) + bump(2)", []string{"thread_sum"}, "", ReasonBytes},
	{"thread-local variable", "threads", "return &seeded", "return &mine", []string{"tls_place"}, "", ReasonSymbol},
	{"case of a switch", "shapes", "case 7:", "case 8:", []string{"shapes"}, "", ReasonBytes},
}

// TestWrongProgram matches objects with a program that was built from changed
// source. Exactly the changed functions differ.
func TestWrongProgram(t *testing.T) {
	c := config{opt: "-O2", link: "pie", sections: true}
	b := build(t, c, victims...)
	for _, e := range edits {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			src, err := os.ReadFile(filepath.Join("testdata", e.file+".c"))
			if err != nil {
				t.Fatal(err)
			}
			changed := strings.Replace(string(src), e.old, e.new, 1)
			if changed == string(src) {
				t.Fatalf("%s.c has no %q", e.file, e.old)
			}
			dir := t.TempDir()
			path := filepath.Join(dir, e.file+".c")
			if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
				t.Fatal(err)
			}
			run := built{dir: dir}
			gcc(t, append(c.compileArgs(), "-o", filepath.Join(dir, "x.o"), path)...)
			args := c.linkArgs()
			pre := 0
			for i, name := range victims {
				if name == e.file {
					pre = i
					args = append(args, filepath.Join(dir, "x.o"))
				} else {
					args = append(args, b.objects[i])
				}
			}
			run.link(t, args)
			checkWrong(t, mustMatch(t, mustOpen(t, b.objects[pre]), mustImage(t, run.image), Options{}), e.want, e.gone, e.reason)
			stripped := mustMatch(t, mustOpen(t, b.objects[pre]), mustImage(t, run.stripped), Options{})
			if stripped.AllMatched() && e.reason != ReasonSymbol {
				t.Error("not found without symbols")
			}
		})
	}
}

func checkWrong(t *testing.T, r *Result, want []string, gone string, reason Reason) {
	t.Helper()
	got := make(map[string]*MismatchError)
	for _, f := range r.Functions {
		switch f.Verdict {
		case Mismatch:
			got[f.Name] = f.Mismatch
			t.Logf("%+v", f.Mismatch)
		case Matched:
		default:
			if f.Name == gone && f.Verdict == Absent {
				continue
			}
			t.Errorf("%s is %v", f.Name, f.Verdict)
		}
	}
	if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, want) {
		t.Fatalf("differ: %v, want %v", names, want)
	}
	if got[want[0]].Reason != reason {
		t.Errorf("reason is %v, want %v", got[want[0]].Reason, reason)
	}
}
