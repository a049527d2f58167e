package elfdiff

import (
	"os"
	"path/filepath"
	"testing"
)

// objectsDir is the environment variable that names a folder with real
// objects, such as some of a kernel: each base/X.o was built from a source,
// and shift/X.o from that source with blank lines added at its top.
const objectsDir = "GOSPLICE_OBJECTS"

// TestObjects compares real objects with themselves and with shifted ones.
func TestObjects(t *testing.T) {
	dir := os.Getenv(objectsDir)
	if dir == "" {
		t.Skip("needs " + objectsDir + ", a folder with base/*.o and shift/*.o")
	}
	paths, err := filepath.Glob(filepath.Join(dir, "base", "*.o"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no objects in %s: %v", dir, err)
	}
	for _, pre := range paths {
		t.Run(filepath.Base(pre), func(t *testing.T) {
			checkObject(t, mustOpen(t, pre))
			for _, post := range []string{pre, filepath.Join(dir, "shift", filepath.Base(pre))} {
				d := mustCompare(t, pre, post)
				if d.Changes() != 0 || len(d.Refusals) > 0 {
					t.Errorf("%s:\n%s", post, report(d))
				}
			}
		})
	}
}
