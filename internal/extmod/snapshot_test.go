package extmod

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gosplice/gosplice/internal/ktree"
)

// folder writes files below a new folder.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestRead: what a build left is no part of a source, and a link to a file is.
func TestRead(t *testing.T) {
	dir := folder(t, map[string]string{
		"Makefile": "obj-m := a.o\n", "a.c": "", "sub/b.h": "x", "a.o": "x", "a.ko": "x", "a.ko.xz": "x", "a.mod.c": "x", ".a.o.cmd": "x",
		"made.h": "x", ".made.h.cmd": "x", "Module.symvers": "x", "modules.order": "x", ".git/config": "x", "sub/.git": "x",
	})
	for link, to := range map[string]string{"linked.h": "sub/b.h", "lost.h": "nowhere.h", "loop": "."} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	files, err := read(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := slices.Sorted(maps.Keys(files)), []string{"Makefile", "a.c", "linked.h", "sub/b.h"}; !slices.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
	if files["a.c"] == nil {
		t.Error("an empty file is none")
	}
	m := &ktree.Modules{Dir: "external/a"}
	was := digest(files, m)
	files["a.c"] = []byte("x")
	if digest(files, m) == was || digest(files, &ktree.Modules{Dir: "external/a", Make: []string{"X=y"}}) == digest(files, m) {
		t.Error("another source has the same name")
	}
}

// TestIsDocument: a table of what says nothing to a build.
func TestIsDocument(t *testing.T) {
	for name, want := range map[string]bool{
		"README": true, "README.md": true, "doc/x.c": true, "debian/rules": true, "dkms.conf": true, ".gitignore": true, "a.c": false,
		"sub/Makefile": false, "gen.awk": false, "fw.bin": false,
	} {
		if IsDocument(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}
