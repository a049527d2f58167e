package ktree

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// TestSuite tells folders from releases of Debian.
func TestSuite(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("bookworm", 0o755); err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", t.TempDir()) // there is no mmdebstrap
	for _, c := range []struct{ name, dir, says string }{
		{"", "", ""},
		{"bookworm", filepath.Join(here, "bookworm"), ""},
		{"/some/where", "/some/where", ""},
		{"bullseye", "", "mmdebstrap"},
	} {
		dir, err := Buildroot(t.Context(), here, c.name, nil, nil)
		if dir != c.dir || (err != nil) != (c.says != "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: %q, %v", c.name, dir, err)
		}
	}
}

// TestLacksPackage knows what apt says of packages that there are not.
func TestLacksPackage(t *testing.T) {
	for said, want := range map[string]bool{
		"E: Unable to locate package gcc-12":                    true,
		"E: Package 'gcc-12' has no installation candidate":     true,
		"E: Unable to locate package gcc-13":                    false,
		"E: Failed to fetch gcc-12: Could not resolve the host": false,
	} {
		if lacksPackage(said, "gcc-12") != want {
			t.Errorf("%q: want %v", said, want)
		}
	}
}

// TestInside is a script that has a shell run a program in the buildroot.
func TestInside(t *testing.T) {
	testenv.Need(t, "sh")
	if _, err := Inside("/root", "/cache", "/elsewhere/objtool"); err == nil {
		t.Error("the buildroot does not see it")
	}
	text, err := Inside("/it's", "/cache", "/cache/a b/objtool")
	if err != nil || !strings.HasPrefix(string(text), "#!/bin/sh\nexec unshare ") || !strings.HasSuffix(string(text), " \"$@\"\n") || !strings.Contains(string(text), `'/cache/a b/objtool'`) {
		t.Errorf("%v\n%s", err, text)
	}
}
