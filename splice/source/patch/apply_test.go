package patch

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/gosplice/gosplice/elfdiff/finding"
)

const two = "--- a/f\n+++ b/f\n@@ -1,4 +1,4 @@\n line 1\n-line 2\n+LINE 2\n line 3\n line 4\n@@ -7,4 +7,5 @@\n line 7\n line 8\n+more\n line 9\n line 10\n--- a/g\n+++ b/g\n@@ -1,2 +1,2 @@\n a\n-b\n+B\n"

func TestApplyErrors(t *testing.T) {
	ten := numbered(1, 10)
	half := strings.Replace(ten, "line 2\n", "LINE 2\n", 1)
	whole := strings.Replace(half, "line 8\n", "line 8\nmore\n", 1)
	other := []Difference{{2, "line 2\n", "LINE 2\n", false}}
	tests := []struct {
		name, patch string
		base        files
		want        ApplyError
		says        string // in the text
	}{
		{"applied", two, files{"f": whole, "g": "a\nB\n"}, ApplyError{Code: CodeApplied, File: "f", PatchLine: 3}, "wrong direction"},
		{"one file applied", two, files{"f": whole, "g": "a\nb\n"}, ApplyError{Code: CodePartly, File: "f", Hunk: 1, PatchLine: 3, Line: 1, Done: []int{1, 2}, Files: []string{"f"}, Differs: other}, "in the tree already: f"},
		{"the other file applied", two, files{"f": ten, "g": "a\nB\n"}, ApplyError{Code: CodePartly, File: "g", Hunk: 1, PatchLine: 17, Line: 1, Done: []int{1}, Files: []string{"g"}, Differs: []Difference{{2, "b\n", "B\n", false}}}, "in the tree already: g"},
		{"one hunk applied", two, files{"f": half, "g": "a\nb\n"}, ApplyError{Code: CodePartly, File: "f", Hunk: 1, PatchLine: 3, Line: 1, Done: []int{1}, Differs: other}, "hunks of this file that are in the tree already: 1"},
		{"one hunk applied, another line", two, files{"f": strings.Replace(half, "line 9\n", "line nine\n", 1), "g": "a\nb\n"}, ApplyError{Code: CodePartly, File: "f", Hunk: 2, PatchLine: 9, Line: 7,
			Differs: []Difference{{9, "line 9\n", "line nine\n", false}}, Done: []int{1}}, "hunk 2, near line 7: 1 line differs, the first at line 9; hunks of this file that are in the tree already: 1"},
		{"another line", two, files{"f": strings.Replace(ten, "line 9\n", "line nine\n", 1), "g": "a\nb\n"}, ApplyError{Code: CodeOtherVersion, File: "f", Hunk: 2, PatchLine: 9, Line: 7,
			Differs: []Difference{{9, "line 9\n", "line nine\n", false}}}, "hunk 2, near line 7: 1 line differs, the first at line 9"},
		{"a line more", two, files{"f": strings.Replace(ten, "line 9\n", "x\nline 9\n", 1), "g": "a\nb\n"}, ApplyError{Code: CodeOtherVersion, File: "f", Hunk: 2, PatchLine: 9, Line: 7,
			Differs: []Difference{{9, "", "x\n", false}}}, "1 line differs"},
		{"a line less", two, files{"f": strings.Replace(ten, "line 9\n", "", 1), "g": "a\nb\n"}, ApplyError{Code: CodeOtherVersion, File: "f", Hunk: 2, PatchLine: 9, Line: 6,
			Differs: []Difference{{9, "line 9\n", "", false}}}, ""},
		{"white space", two, files{"f": strings.Replace(ten, "line 9\n", "line\t9\n", 1), "g": "a\nb\n"}, ApplyError{Code: CodeOtherVersion, File: "f", Hunk: 2, PatchLine: 9, Line: 7,
			Differs: []Difference{{9, "line 9\n", "line\t9\n", true}}}, "only white space"},
		{"empty", two, files{"f": "", "g": "a\nb\n"}, ApplyError{Code: CodeOtherVersion, File: "f", Hunk: 1, PatchLine: 3,
			Differs: []Difference{{1, "line 1\n", "", false}, {1, "line 2\n", "", false}, {1, "line 3\n", "", false}, {1, "line 4\n", "", false}}}, "the file is empty"},
		{"applied, and would apply", "--- a/f\n+++ b/f\n@@ -2,2 +2,3 @@\n x\n+y\n z\n", files{"f": "a\nx\ny\nz\nb\nx\nz\n"}, ApplyError{Code: CodeApplied, File: "f", PatchLine: 1}, ""},
		{"overlap", "--- a/g\n+++ b/g\n@@ -1,2 +1,2 @@\n a\n-b\n+B\n@@ -1,2 +1,2 @@\n-a\n+A\n B\n", files{"g": "a\nb\n"}, ApplyError{Code: CodeOtherVersion, File: "g", Hunk: 2, PatchLine: 7, Line: 1}, "another hunk is there"},
		{"missing", two, files{"f": ten}, ApplyError{Code: CodeMissing, File: "g", PatchLine: 15}, "the file is not there"},
		{"another strip", "--- net/core/f\n+++ net/core/f\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n", files{"net/core/f": "a\nb\n"}, ApplyError{Code: CodeMissing, File: "core/f", PatchLine: 1}, "with -p0 it would be net/core/f"},
		{"exists", "--- /dev/null\n+++ b/g\n@@ -0,0 +1 @@\n+x\n", files{"g": "a\n"}, ApplyError{Code: CodeExists, File: "g", PatchLine: 1}, ""},
		{"created already", "--- /dev/null\n+++ b/g\n@@ -0,0 +1 @@\n+x\n", files{"g": "x\n"}, ApplyError{Code: CodeApplied, File: "g", PatchLine: 1}, ""},
		{"deleted already", "--- a/g\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n", files{}, ApplyError{Code: CodeApplied, File: "g", PatchLine: 1}, ""},
		{"deleted, with more", "--- a/g\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n", files{"g": "x\ny\n"}, ApplyError{Code: CodeOtherVersion, File: "g", Hunk: 1, PatchLine: 3, Line: 1}, "the file goes on"},
		{"renamed already", "diff --git a/g b/h\nrename from g\nrename to h\n", files{"h": "x\n"}, ApplyError{Code: CodeApplied, File: "h", PatchLine: 1}, ""},
		{"rename over", "diff --git a/g b/h\nrename from g\nrename to h\n", files{"g": "x\n", "h": "x\n"}, ApplyError{Code: CodeExists, File: "h", PatchLine: 1}, ""},
		{"change and rename", "--- a/g\n+++ b/g\n@@ -1,2 +1,2 @@\n a\n-b\n+B\ndiff --git a/g b/h\nrename from g\nrename to h\n", files{"g": "a\nb\n"}, ApplyError{Code: CodeFormat, File: "g", PatchLine: 7}, "several patches in one"},
		{"below a file", "--- /dev/null\n+++ b/g/h\n@@ -0,0 +1 @@\n+x\n", files{"g": "a\n"}, ApplyError{Code: CodeType, File: "g/h", PatchLine: 1}, ""},
		{"file and folder", "--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+x\n--- /dev/null\n+++ b/x/y\n@@ -0,0 +1 @@\n+x\n", files{}, ApplyError{Code: CodeType, File: "x", PatchLine: 1}, "folder"},
		{"folder", "--- a/g\n+++ b/g\n@@ -1,2 +1,2 @@\n a\n-b\n+B\n", files{"g/h": "a\n"}, ApplyError{Code: CodeType, File: "g", PatchLine: 1}, ""},
		{"no context", "--- a/f\n+++ b/f\n@@ -4,0 +5 @@\n+new\n", files{"f": ten}, ApplyError{Code: CodeOtherVersion, File: "f", Hunk: 1, PatchLine: 3, Line: 5}, "-U0"},
	}
	for _, tt := range tests {
		patches, err := Read("p", strings.NewReader(tt.patch))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		tree := NewTree(tt.base.fs())
		err = tree.Apply(patches[0])
		var e *ApplyError
		if !errors.As(err, &e) || !errors.Is(err, e.Code) || !errors.Is(err, finding.ErrRefused) || len(finding.Refusals(err)) != 1 {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		got := *e
		got.What, tt.want.Patch = "", "p"
		if diff := cmp.Diff(tt.want, got); diff != "" || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v (-want +got)\n%s", tt.name, err, diff)
		}
		if len(tree.Changed()) > 0 {
			t.Errorf("%s: the tree is another", tt.name)
		}
		t.Logf("%s: %v\n%s", tt.name, err, e.Detail())
	}
}

// TestLinks refuses to go through symbolic links, and to change what is one.
func TestLinks(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "f")
	for _, err := range []error{
		os.WriteFile(outside, []byte("a\nb\n"), 0o644), os.Symlink(filepath.Dir(outside), filepath.Join(dir, "d")),
		os.Symlink(outside, filepath.Join(dir, "l")), os.WriteFile(filepath.Join(dir, "f"), []byte("a\nb\n"), 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]error{"l": CodePath, "d/f": CodePath, "d/new": CodePath, "f": nil} {
		text := "--- a/" + path + "\n+++ b/" + path + "\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n"
		if path == "d/new" {
			text = "--- /dev/null\n+++ b/d/new\n@@ -0,0 +1 @@\n+c\n"
		}
		patches, err := Read("p", strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		tree := NewTree(os.DirFS(dir))
		if err := tree.Apply(patches[0]); !errors.Is(err, want) {
			t.Errorf("%s: %v", path, err)
		}
		if len(tree.Modes()) > 0 {
			t.Errorf("%s: %v", path, tree.Modes())
		}
	}
}

// TestTree reads files, clones and compares trees.
func TestTree(t *testing.T) {
	base := files{"f": numbered(1, 10), "g": "a\nb\n"}
	patches, err := Read("p", strings.NewReader(two))
	if err != nil {
		t.Fatal(err)
	}
	tree := NewTree(base.fs())
	before := tree.Clone()
	if err := tree.Apply(patches[0]); err != nil {
		t.Fatal(err)
	}
	after := tree.Clone()
	if err := after.Apply(patches[0].Reverse()); err != nil {
		t.Fatal(err)
	}
	for i, tt := range []struct {
		tree *Tree
		g    string
		n    int
	}{{before, "a\nb\n", 0}, {tree, "a\nB\n", 2}, {after, "a\nb\n", 0}} {
		if b, err := tt.tree.ReadFile("g"); string(b) != tt.g || err != nil || len(tt.tree.Changed()) != tt.n {
			t.Errorf("%d: %q, %v, %v", i, b, err, slices.Collect(maps.Keys(tt.tree.Changed())))
		}
	}
	gone, err := Read("p", strings.NewReader("--- a/g\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-a\n-B\n"))
	if err != nil {
		t.Fatal(err)
	}
	if err := tree.Apply(gone[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := tree.ReadFile("g"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if content, ok := tree.Changed()["g"]; !ok || content != nil {
		t.Errorf("%q %v", content, ok)
	}
	if _, err := tree.ReadFile("missing"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// TestPlacements tells hunks that are elsewhere, and in how many places they could be.
func TestPlacements(t *testing.T) {
	base := files{"f": "0\n" + numbered(1, 10) + "x\ny\nx\ny\nz\n", "g": "a\nb\n"}
	patches, err := Read("p", strings.NewReader(two+"--- a/f\n+++ b/f\n@@ -8,2 +8,3 @@\n x\n+-\n y\n"))
	if err != nil {
		t.Fatal(err)
	}
	patches[0].Files[0].Hunks[0].OldLine++ // it no longer begins the file
	tree := NewTree(base.fs())
	if err := tree.Apply(patches[0]); err != nil {
		t.Fatal(err)
	}
	want := []Placement{{"p", "f", 1, 2, 1, 0}, {"p", "f", 2, 8, 1, 0}, {"p", "f", 1, 13, 5, 1}}
	if diff := cmp.Diff(want, tree.Placements()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestByFile takes a patch apart: what is copied stays with its source.
func TestByFile(t *testing.T) {
	patches, err := Read("p", strings.NewReader(two+"diff --git a/g b/h\ncopy from g\ncopy to h\n"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, one := range patches[0].ByFile() {
		got = append(got, one.Name+" "+strings.Join(one.Paths(), " "))
	}
	if diff := cmp.Diff([]string{"p:f f", "p:g g h"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if all := strings.Join(patches[0].Paths(), " "); all != "f g h" {
		t.Error(all)
	}
}

// TestHostile bounds what patches that mean harm can take.
func TestHostile(t *testing.T) {
	same := strings.Repeat("x\n", 1<<20)
	base := fstest.MapFS{"f": {Data: []byte(same)}}
	var b strings.Builder
	b.WriteString("--- a/f\n+++ b/f\n@@ -2,100002 +2,100003 @@\n+y\n")
	b.WriteString(strings.Repeat(" x\n", 100000) + " y\n x\n")
	patches, err := Read("p", strings.NewReader(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	s := NewTree(base).stage(patches[0])
	s.work = maxWork / 64
	if err := s.apply(); !errors.Is(err, CodeSize) {
		t.Error(err)
	}
	if _, err := Read("p", strings.NewReader(strings.Repeat("\n", maxLines+1))); !errors.Is(err, CodeSize) {
		t.Error(err)
	}
	for _, text := range []string{
		"diff --git " + strings.Repeat(" ", 1<<20) + "\n", "From: a\n" + strings.Repeat(" x\n", 1<<19),
		"--- " + strings.Repeat("a/", 1<<18) + "\n+++ b\n@@ -1 +1 @@\n-a\n+b\n", strings.Repeat("CVE-2024-1234 ", 1<<18) + "\n" + change,
	} {
		Read("p", strings.NewReader(text))
	}
}
