package ktree

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gosplice/gosplice/internal/deb"
)

// usedCache has an old tree, a new one, and one that is compiled in.
func usedCache(t *testing.T) string {
	t.Helper()
	cache := t.TempDir()
	for _, name := range []string{
		"ktree/old/Kbuild", "ktree/old.lock", "ktree-work/old/0/Kbuild", "ktree-work/old/0.lock", "ktree-units/3-old/units.json", "ktree-objects/old/a.o/K.o",
		"ktree/new/Kbuild", "ktree/new.lock", "ktree-units/3-new/units.json",
		"ktree/busy/Kbuild", "ktree/busy.lock", "ktree-work/busy/0.lock", "other/file",
	} {
		path := filepath.Join(cache, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, make([]byte, 8192), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(filepath.Join(cache, "ktree/old/Kbuild"), filepath.Join(cache, "ktree-work/old/0/linked")); err != nil {
		t.Fatal(err)
	}
	long := time.Now().Add(-100 * time.Hour)
	for _, name := range []string{"ktree/old.lock", "ktree/busy.lock"} {
		if err := os.Chtimes(filepath.Join(cache, name), long, long); err != nil {
			t.Fatal(err)
		}
	}
	return cache
}

func TestClean(t *testing.T) {
	cache := usedCache(t)
	unlock, err := deb.Lock(t.Context(), filepath.Join(cache, "ktree-work/busy/0.lock"))
	if err != nil {
		t.Fatal(err)
	}
	uses, err := Usage(t.Context(), cache)
	if err != nil || len(uses) != 4 {
		t.Fatalf("%+v, %v", uses, err)
	}
	if u := uses[1]; u.Name != "ktree-work" || u.Files != 3 || u.Bytes < 3*8192 || u.Bytes > 8*8192 {
		t.Errorf("a file that is linked is counted twice: %+v", u)
	}
	freed, err := Clean(t.Context(), cache, time.Hour)
	if err != nil || freed < 4*8192 {
		t.Errorf("%d bytes free, %v", freed, err)
	}
	for name, want := range map[string]bool{
		"ktree/old": false, "ktree-work/old": false, "ktree-units/3-old": false, "ktree-objects/old": false,
		"ktree/new": true, "ktree-units/3-new": true, "ktree/busy": true, "other/file": true,
	} {
		if _, err := os.Stat(filepath.Join(cache, name)); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	unlock()
	if _, err := Clean(t.Context(), cache, time.Hour); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(cache, "ktree/busy")); err == nil {
		t.Error("nobody uses it any more")
	}
	if uses, err := Usage(t.Context(), t.TempDir()); len(uses) != 0 || err != nil {
		t.Errorf("an empty cache: %+v, %v", uses, err)
	}
}
