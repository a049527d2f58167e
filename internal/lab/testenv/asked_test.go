package testenv

import (
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		text string
		want map[Word]string // nil: an error
	}{
		{"", map[Word]string{}},
		{"kernel", map[Word]string{Kernel: ""}},
		{"kernel,strict", map[Word]string{Kernel: "", Strict: ""}},
		{"long,objects=/a=b,vmlinux=x:y", map[Word]string{Long: "", Objects: "/a=b", Vmlinux: "x:y"}},
		{"kernels", nil},
		{"objects", nil},
		{"objects=", nil},
		{"kernel=1", nil},
		{"1", nil},
	} {
		got, err := parse(tt.text)
		if (err != nil) != (tt.want == nil) || err == nil && !cmp.Equal(got, tt.want) {
			t.Errorf("%q: %v, %v, want %v", tt.text, got, err, tt.want)
		}
	}
}

// TestThird: each part of a list is somebody's, and nobody has nothing.
func TestThird(t *testing.T) {
	for size := 1; size < 10; size++ {
		list, seen := make([]int, size), map[int]bool{}
		for i := range list {
			list[i] = i
		}
		for n := range 2 * size * 3 {
			got := third(n, list)
			if len(got) == 0 || len(got) > (size+2)/3 {
				t.Errorf("test %d of a list of %d: %v", n, size, got)
			}
			for _, i := range got {
				seen[i] = true
			}
		}
		if len(seen) != size {
			t.Errorf("of %d only %v", size, seen)
		}
	}
}

// TestDocumented: the package's comment explains each word, and no other.
func TestDocumented(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "testenv.go", nil, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		t.Fatal(err)
	}
	var got []Word
	for line := range strings.Lines(f.Doc.Text()) {
		if words := strings.Fields(line); strings.HasPrefix(line, "\t") && len(words) > 1 && !strings.HasPrefix(words[0], Env) {
			name, _, _ := strings.Cut(words[0], "=")
			got = append(got, Word(name))
		}
	}
	if want := slices.Concat(flags, values); !slices.Equal(got, want) {
		t.Errorf("explained %q, there are %q", got, want)
	}
}
