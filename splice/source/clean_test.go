package source

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestClean removes what was not opened for long, counts a file with two names once, and leaves
// what was fetched. A tree that was opened has a lock of that time.
func TestClean(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"ktree/old/a", "ktree-objects/old/x/b.o", "ktree-objects/new/b.o", "deb/pkg.deb", "cbuild/old/a", "cbuild/old/build.json"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, make([]byte, 1<<20), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(filepath.Join(dir, "ktree/old/a"), filepath.Join(dir, "ktree/old/c")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ktree/old.lock", "ktree/new.lock"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	past := time.Now().Add(-48 * time.Hour)
	for _, name := range []string{"ktree/old.lock", "deb", "cbuild/old/build.json"} {
		if err := os.Chtimes(filepath.Join(dir, name), past, past); err != nil {
			t.Fatal(err)
		}
	}
	mb := func(n int64) int64 { return n >> 20 }
	u, err := Clean(t.Context(), dir, 24*time.Hour)
	if err != nil || mb(u.Removed) != 4 || mb(u.Kept) != 1 || mb(u.Others) != 1 {
		t.Errorf("%+v, %v", u, err)
	}
	if u, err = Clean(t.Context(), dir, 0); err != nil || mb(u.Removed) != 1 || mb(u.Kept) != 0 || mb(u.Others) != 1 {
		t.Errorf("%+v, %v", u, err)
	}
	if u, err = Clean(t.Context(), filepath.Join(dir, "missing"), 0); err != nil || u != (Use{}) {
		t.Errorf("%+v, %v", u, err)
	}
}
