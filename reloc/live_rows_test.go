package reloc

import (
	"bytes"
	"maps"
	"slices"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/kernel"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/reloc/internal/prove"
)

// unseenRows are kinds of sites that no kernel at hand has in the objects that it
// is linked of, with where they are looked at instead.
var unseenRows = map[string]string{
	"kcfi prefix":  "kernels that clang built with CONFIG_CFI_CLANG: by hand, TestSiteRows",
	"kcfi check":   "likewise",
	"runtime mask": "7.3: by hand, TestSiteRows",
	"call depth":   "objtool names the padding in modules, and not in objects of the kernel where it looks at the whole: matchModules",
}

// rewrittenRows counts the sites of functions that match by their row: those that
// run has not as they were linked. Code outside of the kernel is looked at as it is
// in pre.
func rewrittenRows(t *testing.T, pre *object.Object, r *Result, img *image.Image, file *kernel.Image, seen map[string]int) {
	t.Helper()
	for _, s := range prove.FindSites(pre) {
		f := r.Func(s.Atom)
		if f == nil || f.Verdict != Matched {
			continue
		}
		at := f.Address + f.RunOffset(s.Off)
		run := make([]byte, s.Size)
		if img.ReadAddr(run, at) != nil {
			continue
		}
		linked := pre.Atom(s.Atom).Bytes[s.Off:s.End()]
		if file != nil {
			var err error
			if linked, err = file.Read(at-img.Modules()[0].Bias, s.Size); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(run, linked) {
			seen[s.Row.Name]++
		}
	}
}

// countRows adds what a running kernel has rewritten.
func (b *liveBench) countRows(t *testing.T, img *image.Image, seen map[string]int) {
	t.Helper()
	file, err := kernel.Open(b.image)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, path := range b.paths {
		pre := mustOpen(t, path)
		rewrittenRows(t, pre, mustMatch(t, pre, img, Options{}), img, file, seen)
	}
}

// checkRows complains about kinds of sites that no kernel was seen to rewrite.
func checkRows(t *testing.T, seen map[string]int) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(seen)) {
		t.Logf("%d sites of the row %q were seen rewritten", seen[name], name)
	}
	for i := range prove.SiteRows {
		name := prove.SiteRows[i].Name
		if _, ok := unseenRows[name]; !ok && seen[name] == 0 {
			t.Errorf("no kernel was seen to rewrite a site of the row %q", name)
		}
	}
}
