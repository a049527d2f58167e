package deb

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestProgress(t *testing.T) {
	var b bytes.Buffer
	Progress(WithProgress(t.Context(), &b), "fetch %s", Package{"a", "1"})
	if got := b.String(); got != "fetch a=1\n" {
		t.Errorf("%q", got)
	}
	path := filepath.Join(t.TempDir(), "progress")
	appendTo(path, "one\n")
	appendTo(path, "two\n")
	if got, err := os.ReadFile(path); err != nil || string(got) != "one\ntwo\n" {
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
