//go:build linux

package program

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// write fills a folder.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const onePatch = "Subject: fix\n\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n"

// TestBetween compares two versions of a package: what differs, which patches are new, and what its
// changelog says is fixed.
func TestBetween(t *testing.T) {
	old := "p (1:1.0-2) a; urgency=low\n\n  * CVE-2020-0001\n\n -- A\n"
	pre := write(t, map[string]string{
		"same": "1", "f": "a", "gone": "x", ".pc/applied": "1", "debian/changelog": old,
		"debian/patches/series": "old.patch\n", "debian/patches/old.patch": strings.ReplaceAll(onePatch, "/f", "/g"),
	})
	post := write(t, map[string]string{
		"same": "1", "f": "b", "new/g": "", ".pc/applied": "2", "debian/changelog": "p (1:1.0-3) a; urgency=high\n\n  * CVE-2026-0001, CVE-2026-0002\n    (CVE-2026-0001)\n\n -- A\n\n" + old,
		"debian/patches/series": "old.patch\nCVE-2026-0001.patch\n", "debian/patches/old.patch": strings.ReplaceAll(onePatch, "/f", "/g"), "debian/patches/CVE-2026-0001.patch": onePatch,
	})
	if err := os.Chmod(filepath.Join(post, "same"), 0o755); err != nil {
		t.Fatal(err)
	}
	changes, modes, err := between(t.Context(), pre, post)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for name, text := range changes {
		if !strings.HasPrefix(name, "debian/") {
			got[name] = "deleted"
			if text != nil {
				got[name] = string(text) + " " + modes[name].String()
			}
		}
	}
	want := map[string]string{"f": "b -rw-r--r--", "new/g": " -rw-r--r--", "gone": "deleted", "same": "1 -rwxr-xr-x"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := newCVEs(pre, post); !slices.Equal(got, []string{"CVE-2026-0001", "CVE-2026-0002"}) {
		t.Errorf("%q", got)
	}
	patches, err := newPatches(pre, post)
	if err != nil || len(patches) != 1 || patches[0].Name != "CVE-2026-0001.patch" || !slices.Equal(patches[0].CVEs, []string{"CVE-2026-0001"}) {
		t.Errorf("%+v, %v", patches, err)
	}
	if got := debianVersion(post); got != "1:1.0-3" {
		t.Errorf("%q", got)
	}
}

// TestHarmless knows files that no object is made of.
func TestHarmless(t *testing.T) {
	for name, want := range map[string]bool{
		"README": true, "doc/x.c": true, "regress/run.sh": true, "src/tests/x.c": true, "x.1": true, "debian/changelog": true, "debian/patches/a.patch": true, ".pc/a": true,
		"CMakeLists.txt": false, "Makefile": false, "src/x.c": false, "debian/rules": false, "src/testing.c": false, "configure": false, "x.json": false,
	} {
		if got := isHarmless(name); got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// TestVersion compares compilers by what they are, not by who packed them.
func TestVersion(t *testing.T) {
	for ident, want := range map[string]string{
		"GCC: (Debian 12.2.0-14+deb12u1) 12.2.0": "GCC 12.2.0", "GCC: (GNU) 13.2.1 20231011": "GCC 13.2.1", "Debian clang version 14.0.6": "clang 14.0.6", "else": "else",
	} {
		if got := version(ident); got != want {
			t.Errorf("%q: %q, want %q", ident, got, want)
		}
	}
}
