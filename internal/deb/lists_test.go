package deb

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSources(t *testing.T) {
	s := Sources{Suites: []string{"trixie", "trixie-security"}, Mirror: "http://a.example/debian"}
	for i, line := range strings.Split(strings.TrimSpace(s.text()), "\n") {
		want := []string{" http://a.example/debian trixie main", " " + defaultSecurity + " trixie-security main"}[i]
		if !strings.HasPrefix(line, "deb [arch=amd64") || !strings.HasSuffix(line, want) {
			t.Errorf("%q, want %q", line, want)
		}
	}
}

func TestParseSizes(t *testing.T) {
	got := parseSizes("Package: a\nVersion: 1\nSize: 12\nDescription: x\n Size: 99\n\nPackage: b\nVersion: 2\nSize: x\n\n\n")
	if got[Package{"a", "1"}] != 12 || got[Package{"b", "2"}] != 0 {
		t.Error(got)
	}
}

func TestComplaints(t *testing.T) {
	for in, want := range map[string]string{
		"W: hm\nE: one\nE: two\n": "one; two", " no marks\n": "no marks", "": "",
	} {
		if got := complaints(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// TestPresent: packages in the cache are found by name, and how much there is of one.
func TestPresent(t *testing.T) {
	c := newCache(t)
	whole, part := Package{"linux-x", "1:2~3"}, Package{"linux-y", "4"}
	for name, size := range map[string]int{"deb/" + fileName(whole) + "/package.deb": 5, "deb/" + fileName(part) + ".tmp/y_4.deb": 3} {
		path := filepath.Join(c.Dir(), name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, make([]byte, size), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if a, b, none := c.Present(whole), c.Present(part), c.Present(Package{"z", "1"}); a != 5 || b != 3 || none != 0 {
		t.Errorf("%d, %d and %d bytes", a, b, none)
	}
	if !c.kept(whole) || c.kept(part) {
		t.Error("a part is not a package")
	}
	if p, err := c.Find(t.Context(), "linux-x"); err != nil || len(p) != 1 || p[0] != whole {
		t.Errorf("%v, %v", p, err)
	}
}

func TestLocate(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "usr/lib/modules/6"), 0o755); err != nil {
		t.Fatal(err)
	}
	got, err := Locate(dir, "lib/modules/6|usr/lib/modules/6")
	if want := filepath.Join(dir, "usr/lib/modules/6"); got != want || err != nil {
		t.Errorf("%s, %v", got, err)
	}
	if _, err := Locate(dir, "lib/modules/7|usr/lib/modules/7"); err == nil {
		t.Error("found what is not there")
	}
	if _, err := Locate(dir, "["); err == nil {
		t.Error("a bad pattern")
	}
	if Installed(t.Context(), dir, nil, Package{"a", "1"}) {
		t.Error("installed without a dpkg")
	}
}

// FuzzListings: what apt prints is read without harm, whatever it is.
func FuzzListings(f *testing.F) {
	f.Add("Package: a\nVersion: 1\nSize: 12\n\n", " a | 1 | http://x y/main amd64 Packages\n")
	f.Fuzz(func(t *testing.T, show, madison string) {
		for p := range parseSizes(show) {
			if p.Name == "" {
				t.Error("a package without a name")
			}
		}
		list := parseMadison(madison)
		for i := 1; i < len(list); i++ {
			if Compare(list[i-1].Version, list[i].Version) < 0 {
				t.Errorf("%v before %v", list[i-1], list[i])
			}
		}
	})
}
