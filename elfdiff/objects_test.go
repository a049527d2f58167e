package elfdiff

import (
	"path/filepath"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// TestObjects compares real objects, such as some of a kernel, with themselves and
// with shifted ones: each base/X.o was built from a source, and shift/X.o from that
// source with blank lines added at its top.
func TestObjects(t *testing.T) {
	dir := testenv.NeedValues(t, "compares objects", testenv.Shifted)[0]
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
