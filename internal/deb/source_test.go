package deb

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseRecord(t *testing.T) {
	for _, c := range []struct {
		text string
		want *Record
	}{
		{"Package: a\nVersion: 1-2\n", &Record{Package: Package{"a", "1-2"}, Source: Package{"a", "1-2"}}},
		{"Package: a\nSource: b\nVersion: 1-2+b1\nDepends: c (= 1), d:any | e, f (>= 2) | g\n\nPackage: x\n", &Record{
			Package: Package{"a", "1-2+b1"}, Source: Package{"b", "1-2+b1"}, Depends: []string{"c", "d", "f"},
		}},
		{"Package: a\nSource: b (1:1-2)\nVersion: 1-2+b1\n", &Record{Package: Package{"a", "1-2+b1"}, Source: Package{"b", "1:1-2"}}},
		{"Nothing: 1\n", nil},
	} {
		got, ok := parseRecord(c.text)
		if ok != (c.want != nil) {
			t.Errorf("%q: %v", c.text, ok)
			continue
		}
		if diff := cmp.Diff(c.want, got); ok && diff != "" {
			t.Errorf("%q: %s", c.text, diff)
		}
	}
}

// TestNotServed tells what lists do not name from what the archive has no more.
func TestNotServed(t *testing.T) {
	gone := errors.New("exit status 100: Failed to fetch http://example.org/a_3.dsc  404  Not Found")
	other := errors.New("exit status 100: Temporary failure")
	for _, c := range []struct {
		version  string
		versions []string
		err      error
		want     string // "" for the error as it was
	}{
		{"3", []string{"1", "2"}, gone, "not served: a=3 (there are 1, 2)"},
		{"3", []string{"1", "3"}, gone, "no more (the lists have 1; what"},
		{"3", []string{"3"}, gone, "no more (the lists have no other version; what"},
		{"3", []string{"3"}, other, ""},
		{"3", nil, gone, ""},
	} {
		err := notServed(Package{"a", c.version}, c.versions, c.err)
		if c.want == "" && err != c.err || c.want != "" && (!errors.Is(err, ErrNoSource) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%q of %q, %v: %v", c.version, c.versions, c.err, err)
		}
	}
}

func TestParseBinary(t *testing.T) {
	got := parseBinary("Source: a\nBinary: a, b,\n c, d\nArchitecture: any\n all\n")
	if diff := cmp.Diff([]string{"a", "b", "c", "d"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestSplitRelations(t *testing.T) {
	got := splitRelations("debhelper-compat (= 13) libssl-dev gcc-multilib | gcc (>= 1) x")
	if diff := cmp.Diff([]string{"debhelper-compat (= 13)", "libssl-dev", "gcc-multilib | gcc (>= 1)", "x"}, got); diff != "" {
		t.Error(diff)
	}
}

// TestSourceLists has lists of source packages only where they are asked for.
func TestSourceLists(t *testing.T) {
	s := Sources{Suites: []string{"a-security"}, Security: "http://example.org"}
	one := s.text()
	s.Source = true
	if two := s.text(); two != one+"deb-src"+one[len("deb"):] {
		t.Errorf("%q, %q", one, two)
	}
}

// FuzzParseRecord reads anything as what apt and dpkg print.
func FuzzParseRecord(f *testing.F) {
	f.Add("Package: a\nSource: b (1)\nVersion: 2\nDepends: c (= 1) | d:any, e\n")
	f.Add("Binary: a,\n b\n")
	f.Fuzz(func(t *testing.T, text string) {
		if r, ok := parseRecord(text); ok && (r.Name == "" || r.Source.Name == "" || r.Source.Version == "") {
			t.Errorf("%+v", r)
		}
		parseBinary(text)
		splitRelations(text)
	})
}
