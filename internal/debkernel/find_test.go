package debkernel

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/deb"
)

// served is what a mirror has.
var served = []deb.Package{
	{Name: "linux-image-6.12.117+deb12-cloud-amd64", Version: "6.12.117-1~deb12u1"},
	{Name: "linux-image-6.12.9+bpo-amd64", Version: "6.12.9-1~bpo12+1"},
	{Name: "linux-image-6.1.0-56-cloud-amd64-unsigned", Version: "6.1.192-2"},
	{Name: "linux-image-6.1.0-56-cloud-amd64", Version: "6.1.192-2"},
	{Name: "linux-image-6.1.0-56-cloud-amd64-dbg", Version: "6.1.192-2"},
	{Name: "linux-image-6.1.0-56-amd64", Version: "6.1.192-2"},
	{Name: "linux-image-6.1.0-56-cloud-amd64", Version: "6.1.192-1"},
	{Name: "linux-image-6.1.0-56-rt-amd64", Version: "6.1.192-1"},
	{Name: "linux-image-6.1.0-5-cloud-amd64", Version: "6.1.12-1"},
	{Name: "linux-image-6.1-cloud-amd64", Version: "6.1.192-2"}, // has no kernel
	{Name: "linux-image-6.1.0-47-amd64-unsigned", Version: "6.1.170-3"},
}

func TestChoose(t *testing.T) {
	for _, c := range []struct{ release, version, name, want string }{
		{"6.1.0-56-cloud-amd64", "", "linux-image-6.1.0-56-cloud-amd64", "6.1.192-2"},
		{"6.1.0-56-cloud-amd64", "6.1.192-1", "linux-image-6.1.0-56-cloud-amd64", "6.1.192-1"},
		{"6.1.0-56-cloud-amd64-unsigned", "", "linux-image-6.1.0-56-cloud-amd64-unsigned", "6.1.192-2"},
		{"6.1", "", "linux-image-6.1.0-56-cloud-amd64", "6.1.192-2"},
		{"6.1-cloud-amd64", "", "linux-image-6.1.0-56-cloud-amd64", "6.1.192-2"},
		{"6.1-amd64", "", "linux-image-6.1.0-56-amd64", "6.1.192-2"},
		{"6.1-rt-amd64", "", "linux-image-6.1.0-56-rt-amd64", "6.1.192-1"},
		{"6.1.0-5", "", "linux-image-6.1.0-5-cloud-amd64", "6.1.12-1"},
		{"6.1.0-47-amd64", "", "linux-image-6.1.0-47-amd64-unsigned", "6.1.170-3"},
		{"6.12", "", "linux-image-6.12.117+deb12-cloud-amd64", "6.12.117-1~deb12u1"},
		{"6.12.117", "", "linux-image-6.12.117+deb12-cloud-amd64", "6.12.117-1~deb12u1"},
		{"6.12-amd64", "", "linux-image-6.12.9+bpo-amd64", "6.12.9-1~bpo12+1"},
		{"6.1.0-48-cloud-amd64", "", "", ""},
		{"6.1.0-56-cloud-amd64", "6.1.1-1", "", ""},
		{"6", "", "linux-image-6.12.117+deb12-cloud-amd64", "6.12.117-1~deb12u1"},
		{"", "", "", ""},
		{"6.1[", "", "", ""},
	} {
		re := regexp.MustCompile("^(?:" + pattern(c.release) + ")$")
		found := slices.DeleteFunc(slices.Clone(served), func(p deb.Package) bool { return !re.MatchString(p.Name) })
		got, _ := choose(found, c.release, c.version)
		if got.Name != c.name || got.Version != c.want {
			t.Errorf("%q %q: %v, want %s=%s", c.release, c.version, got, c.name, c.want)
		}
	}
}

func TestParts(t *testing.T) {
	for _, c := range []struct{ image, debug, common, source string }{
		{"linux-image-6.1.0-56-cloud-amd64", "linux-image-6.1.0-56-cloud-amd64-dbg", "linux-headers-6.1.0-56-common", "linux-source-6.1"},
		{"linux-image-6.1.0-56-rt-amd64-unsigned", "linux-image-6.1.0-56-rt-amd64-dbg", "linux-headers-6.1.0-56-common-rt", "linux-source-6.1"},
		{"linux-image-6.12.9+bpo-amd64", "linux-image-6.12.9+bpo-amd64-dbg", "linux-headers-6.12.9+bpo-common", "linux-source-6.12"},
	} {
		p := deb.Package{Name: c.image, Version: "1"}
		for want, got := range map[string]deb.Package{c.debug: debug(p), c.common: common(p), c.source: source(p)} {
			if got.Name != want || got.Version != "1" {
				t.Errorf("%s: %v, want %s", c.image, got, want)
			}
		}
	}
}

func TestAround(t *testing.T) {
	all := []string{"6.1.0-56-amd64", "6.1.0-9-amd64", "6.1.0-47-amd64", "6.12.3-amd64", "6.1.0-50-amd64", "6.1.0-50-amd64"}
	for release, want := range map[string][]string{
		"6.1.0-49-amd64": {"6.1.0-9-amd64", "6.1.0-47-amd64", "6.1.0-50-amd64", "6.1.0-56-amd64"},
		"5.10-amd64":     {"6.1.0-9-amd64", "6.1.0-47-amd64"},
		"7.0-amd64":      {"6.1.0-56-amd64", "6.12.3-amd64"},
	} {
		if got := around(slices.Clone(all), release, 2); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", release, got, want)
		}
	}
}

func TestImageParts(t *testing.T) {
	got := imageParts(deb.Package{Name: "linux-image-7.3.4+deb13-cloud-amd64", Version: "7.3.4-1"})
	want := []string{"linux-binary-7.3.4+deb13-cloud-amd64=7.3.4-1", "linux-base-7.3.4+deb13-cloud-amd64=7.3.4-1", "linux-modules-7.3.4+deb13-cloud-amd64=7.3.4-1"}
	for i := range want {
		if got[i].String() != want[i] {
			t.Errorf("%v, want %v", got, want)
		}
	}
}

// FuzzRelease: whatever is asked for, what it is looked for by is an expression that matches
// packages of images only.
func FuzzRelease(f *testing.F) {
	for _, s := range []string{"6.1", "6.12.9+bpo-rt-amd64-unsigned", "", "-amd64", "6.1[", "a\nb"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, release string) {
		re, err := regexp.Compile("^(?:" + pattern(release) + ")$")
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range []string{"linux-headers-" + release, "linux-image-" + release + "-amd64-dbg", release} {
			if !strings.HasPrefix(p, imagePrefix) && re.MatchString(p) {
				t.Errorf("%q matches %q", re, p)
			}
		}
		choose(served, release, "")
	})
}

// TestFindKept has a newer kernel in the cache, which another distribution serves: it counts where
// it is named, and where nothing else is there.
func TestFindKept(t *testing.T) {
	bin := t.TempDir()
	script := "#!/bin/sh\nfor x; do case $x in\npkgnames) echo linux-image-6.12.117+deb12-cloud-amd64;;\n" +
		"madison) echo 'linux-image-6.12.117+deb12-cloud-amd64 | 6.12.117-1~deb12u1 | http://mirror.example x/main amd64 Packages';;\nesac; done\n"
	if err := os.WriteFile(filepath.Join(bin, "apt-cache"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	cache, err := deb.NewCache(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"linux-image-6.12.118+deb13-cloud-amd64_6.12.118-1", "linux-image-7.3.4+deb13-cloud-amd64_7.3.4-1"} {
		dir := filepath.Join(cache.Dir(), "deb", name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "package.deb"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ release, version, want string }{
		{"6.12", "", "6.12.117+deb12-cloud-amd64"},
		{"6.12", "6.12.118-1", "6.12.118+deb13-cloud-amd64"},
		{"6.12.118", "", "6.12.118+deb13-cloud-amd64"},
		{"6.12.118+deb13-cloud-amd64", "", "6.12.118+deb13-cloud-amd64"},
		{"7", "", "7.3.4+deb13-cloud-amd64"},
	} {
		if p, err := FindVersion(t.Context(), cache, c.release, c.version); err != nil || Release(p) != c.want {
			t.Errorf("%s %s: %s, %v; want %s", c.release, c.version, Release(p), err, c.want)
		}
	}
}
