package files

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestCounter counts a file with two names once, and what is not there not at all.
func TestCounter(t *testing.T) {
	dir := t.TempDir()
	err := errors.Join(
		os.Mkdir(filepath.Join(dir, "a"), 0o755), os.Mkdir(filepath.Join(dir, "b"), 0o755),
		os.WriteFile(filepath.Join(dir, "a/x"), make([]byte, 8192), 0o644), os.WriteFile(filepath.Join(dir, "b/y"), make([]byte, 8192), 0o644),
		os.Link(filepath.Join(dir, "a/x"), filepath.Join(dir, "b/x")),
	)
	if err != nil {
		t.Skip(err)
	}
	var c Counter
	for name, want := range map[string]int{"a": 1, "missing": 0} {
		if _, n, err := c.Count(t.Context(), filepath.Join(dir, name)); n != want || err != nil {
			t.Errorf("%s: %d files, %v", name, n, err)
		}
	}
	if bytes, n, err := c.Count(t.Context(), filepath.Join(dir, "b")); n != 1 || bytes < 8192 || bytes >= 3*8192 || err != nil {
		t.Errorf("%d files, %d bytes, %v", n, bytes, err)
	}
}
