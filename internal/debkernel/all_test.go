package debkernel

import (
	"slices"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// TestPackages does without the build tools of a version where the archive has no such package
// any more: that of a series is replaced with each version, the images stay longer. Nothing is
// fetched.
func TestPackages(t *testing.T) {
	testenv.NeedKernels(t)
	testenv.Need(t, "apt-get", "apt-cache")
	cache, err := deb.OpenCache()
	if err != nil {
		t.Fatal(err)
	}
	image, err := Find(t.Context(), cache, "6.1-cloud-amd64")
	if err != nil {
		testenv.Skip(t, "%v", err)
	}
	isKbuild := func(p deb.Package) bool { return strings.HasPrefix(p.Name, "linux-kbuild-") }
	pkgs, err := Of(cache, image, "").packages(t.Context())
	if err != nil || !slices.ContainsFunc(pkgs, isKbuild) {
		t.Errorf("%v, %v: want kbuild's", pkgs, err)
	}
	// The same image, of a series that has no tools.
	old := deb.Package{Name: strings.Replace(image.Name, "6.1.0", "9.9.0", 1), Version: image.Version}
	k := Of(cache, old, "")
	if path, err := k.objtoolIfServed(t.Context()); path != "" || err != nil {
		t.Errorf("objtool: %q, %v", path, err)
	}
}

// TestNearest names no kernel that can't be had, the one that was asked for included.
func TestNearest(t *testing.T) {
	testenv.Serial(t)
	testenv.NeedKernels(t)
	testenv.Need(t, "apt-get", "apt-cache")
	cache, err := deb.OpenCache()
	if err != nil {
		t.Fatal(err)
	}
	for _, asked := range []string{"6.1.0-9999-cloud-amd64", "6.1.0-50-cloud-amd64", "1.0-amd64"} {
		named := nearest(t.Context(), cache, asked)
		if len(named) == 0 || slices.Contains(named, asked) {
			t.Errorf("%s: %v", asked, named)
		}
		for _, release := range named {
			p, err := Find(t.Context(), cache, release)
			if err == nil {
				_, err = Of(cache, p, "").packages(t.Context())
			}
			if err != nil {
				t.Errorf("%s, named for %s: %v", release, asked, err)
			}
		}
	}
}
