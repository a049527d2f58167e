//go:build unix

package cbuild

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gosplice/gosplice/internal/deb"
)

// TestClean removes what was not opened for long, and what a process that was killed has left, and
// nothing that somebody makes, however long that takes.
func TestClean(t *testing.T) {
	cache := t.TempDir()
	long := time.Now().Add(-100 * time.Hour)
	for name, old := range map[string]bool{
		"cbuild/old/build.json": true, "cbuild/new/build.json": false, "cbuild/killed.tmp/tree": true, "cbuild/made.tmp/tree": true,
		"cbuild-scratch/s1/tree": true, "cbuild-scratch/s2/tree": false, "other/file": true,
	} {
		path := filepath.Join(cache, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, make([]byte, 8192), 0o644)); err != nil {
			t.Fatal(err)
		}
		if old {
			if err := errors.Join(os.Chtimes(path, long, long), os.Chtimes(filepath.Dir(path), long, long)); err != nil {
				t.Fatal(err)
			}
		}
	}
	unlock, err := deb.Lock(t.Context(), filepath.Join(cache, "cbuild/made"+deb.LockEnd))
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if freed, err := Clean(t.Context(), cache, 0); err != nil || freed < 3*8192 {
		t.Errorf("%d bytes free, %v", freed, err)
	}
	for name, want := range map[string]bool{
		"cbuild/old": false, "cbuild/new": true, "cbuild/killed.tmp": false, "cbuild/made.tmp": true,
		"cbuild-scratch/s1": false, "cbuild-scratch/s2": true, "other": true,
	} {
		if _, err := os.Stat(filepath.Join(cache, name)); (err == nil) != want {
			t.Errorf("%s: %v, want it there: %v", name, err, want)
		}
	}
}
