//go:build linux

package program_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/splice/source/program"
)

// TestFails names what a package needs for its tests alone, where it does not build without that.
func TestFails(t *testing.T) {
	testenv.Need(t, "gcc", "unshare", "dpkg-checkbuilddeps")
	dir := filepath.Join(t.TempDir(), "src")
	if err := os.MkdirAll(filepath.Join(dir, "debian"), 0o755); err != nil {
		t.Fatal(err)
	}
	const control = "Source: x\nMaintainer: x <x@example.org>\nBuild-Depends: nobody-has-this <!nocheck>\n\nPackage: x\nArchitecture: any\nDescription: x\n"
	if err := os.WriteFile(filepath.Join(dir, "debian/control"), []byte(control), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := program.Open(t.Context(), program.Source{Dir: dir, Build: "echo no tests; false"}, program.Options{Cache: t.TempDir()})
	if !errors.Is(err, program.ErrBuild) || !strings.Contains(err.Error(), "tests need") || !strings.Contains(err.Error(), "nobody-has-this") {
		t.Error(err)
	}
}
