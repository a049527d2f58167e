package patch

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// FuzzRead reads anything as patches, applies them, and takes them back: no panic, no path out
// of the tree, only errors that say why, and Diff is read as the same patch.
func FuzzRead(f *testing.F) {
	for _, tt := range likeGit() {
		f.Add(tt.patch)
	}
	for _, tt := range saying() {
		f.Add(tt.text)
	}
	base := files{"f": numbered(1, 10), "g": "a\nb", "d/f": "a\n", "empty": ""}.fs()
	f.Fuzz(func(t *testing.T, text string) {
		var patches []*Patch
		var err error
		testenv.Bounded(t, len(text), func() { patches, err = Read("p", strings.NewReader(text)) })
		checkError(t, err)
		for _, p := range patches {
			for i := range p.Files {
				if path := p.Files[i].Path(); !fs.ValidPath(path) || strings.HasPrefix(path, ".git/") {
					t.Fatalf("%q", path)
				}
			}
			again, err := Read("p", strings.NewReader(string(p.Diff())))
			if err != nil || len(again) != 1 || again[0].Digest != p.Digest {
				t.Fatalf("%v\n%s", err, p.Diff())
			}
			tree := NewTree(base)
			err = tree.Apply(p)
			checkError(t, err)
			if err != nil && len(tree.Changed())+len(tree.Modes()) > 0 {
				t.Fatalf("%v, and yet the tree is another", err)
			}
			checkError(t, tree.Apply(p.Reverse()))
		}
	})
}

// checkError demands that an error is a refusal with a hint.
func checkError(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if list := finding.Refusals(err); !errors.Is(err, finding.ErrRefused) || len(list) != 1 || list[0].Hint == "" || list[0].Message == "" {
		t.Fatalf("%T %v", err, err)
	}
}

// FuzzSeries reads anything as a line of a series.
func FuzzSeries(f *testing.F) {
	for _, l := range []string{"a.patch -p1 # x", "../x", "a -R -pab", "# c", "a -p99999999999"} {
		f.Add(l)
	}
	f.Fuzz(func(t *testing.T, l string) {
		if e, what := parseSeriesLine(l); e != nil && (what != "" || !fs.ValidPath(e.path) || e.strip < -1 || e.strip > 99) {
			t.Errorf("%+v, %s", e, what)
		}
	})
}
