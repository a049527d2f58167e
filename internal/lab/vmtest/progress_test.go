package vmtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/deb"
)

func TestProgress(t *testing.T) {
	t.Setenv(deb.CacheEnv, t.TempDir())
	path := filepath.Join(os.Getenv(deb.CacheEnv), progressFile)
	deb.Progress(Context(t), "fetch %s", "a")
	if got, err := os.ReadFile(path); err != nil || !strings.HasSuffix(string(got), " vmtest: fetch a\n") {
		t.Errorf("%q, %v", got, err)
	}
	if err := os.WriteFile(path, make([]byte, longestProgress+1), 0o644); err != nil {
		t.Fatal(err)
	}
	appendTo(path, "three\n")
	if got, err := os.ReadFile(path); err != nil || string(got) != "three\n" {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	appendTo(filepath.Join(path, "no folder"), "lost\n")
}
