package elfdiff_test

import (
	"slices"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// TestOutlives has post keep what pre frees after the start: it does not exist in what runs, so that
// who uses it has to be led to a new one.
func TestOutlives(t *testing.T) {
	testenv.Need(t, "gcc")
	const (
		code = "#ifdef POST\n#undef __init\n#define __init\n#endif\nextern void work2(void); static int __attribute__((noinline)) __init g(int x) { work2(); return x * 3; } "
		data = "#ifdef POST\n#define KEPT\n#else\n#define KEPT PUT(\".init.data\")\n#endif\nextern void work2(void); static int count KEPT = 3; "
	)
	for _, c := range []struct {
		name, text    string
		changed, news []string
	}{
		{"a function", code + "int f(int x) { return g(x) + 1; }", []string{"f"}, []string{"g"}},
		{"a variable", data + "int f(int x) { work2(); return count += x; }", []string{"f"}, []string{"count"}},
		{"a variable of a function that is not called", data + "int PUT(\".init.text\") f(int x) { work2(); return count += x; }", nil, nil},
	} {
		dir := t.TempDir()
		pre, post := compileKernel(t, dir, c.text, "pre.o"), compileKernel(t, dir, c.text, "post.o", "-DPOST")
		d, err := elfdiff.Compare(pre, post, elfdiff.Options{Tables: true})
		if err != nil {
			t.Fatal(err)
		}
		var changed, news []string
		for _, list := range [][]verdict.Change{d.Functions, d.Data} {
			for i := range list {
				switch ch := &list[i]; {
				case !d.Included(ch.Post):
				case ch.Status == verdict.Changed:
					changed = append(changed, ch.Name)
				case ch.Status == verdict.New:
					news = append(news, ch.Name)
				}
			}
		}
		if !slices.Equal(changed, c.changed) || !slices.Equal(news, c.news) {
			t.Errorf("%s: changed %q, new %q; want %q, %q", c.name, changed, news, c.changed, c.news)
		}
	}
}
