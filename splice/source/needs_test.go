package source

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/internal/ktree"
	"github.com/gosplice/gosplice/splice/source/patch"
)

const twoFiles = `--- a/include/linux/new.h
+++ b/include/linux/new.h
@@ -1,2 +1,2 @@ struct section_of {
 struct kept;
-int old_name(int);
+static inline int new_name(struct kept *k);
--- a/fs/a.c
+++ b/fs/a.c
@@ -1,1 +1,1 @@
-	return old_name(1);
+	return new_name(NULL); /* why */
--- /dev/null
+++ b/fs/made.h
@@ -0,0 +1,1 @@
+int made;
`

// TestWordsIn has names of what lines change, without those of the language, and of what stays.
func TestWordsIn(t *testing.T) {
	list, err := patch.Read("p", strings.NewReader(twoFiles))
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	files := list[0].ByFile()
	for in, want := range [kinds][]string{changed: {"k", "kept", "new_name", "old_name"}, pasted: nil, beside: {"kept", "section_of"}} {
		if got := slices.Sorted(maps.Keys(wordsIn(files[0])[in])); !slices.Equal(got, want) {
			t.Error(cmp.Diff(want, got))
		}
	}
	if b := (&Builder{}); b.defines(files[0]) || !b.defines(files[1]) {
		t.Error("code is in the second file alone")
	}
	for _, c := range []struct {
		name string
		want bool
	}{{"made.h", true}, {"fs/made.h", true}, {"../made.h", true}, {"ade.h", false}, {"new.h", false}} {
		if got := creates(files[2], c.name) || creates(files[0], c.name); got != c.want {
			t.Errorf("%s: created %v", c.name, got)
		}
	}
}

// TestOthers has a patch need those before it, and all of what it was taken out of.
func TestOthers(t *testing.T) {
	var all []*patch.Patch
	for _, name := range []string{"first", "between", "second", "between", "between"} {
		p := &patch.Patch{Name: name}
		if name == "between" {
			p.Of = name
		}
		all = append(all, p)
	}
	for i, want := range []string{"", "first between between", "first between", "first between second between", "first between second between"} {
		var got []string
		for _, p := range (&eachOne{patches: all, i: i}).others() {
			got = append(got, p.Name)
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%d: %q, want %q", i, s, want)
		}
	}
}

// TestNeeded finds by words what a compiler misses, and by the source of the object where the name
// is in a line that stays.
func TestNeeded(t *testing.T) {
	list, err := patch.Read("p", strings.NewReader(twoFiles))
	if err != nil {
		t.Fatal(err)
	}
	others := list[0].ByFile()
	for _, tt := range []struct {
		source, missing string
		want            []string
	}{
		{"fs/a.c", "new_name", []string{"fs/a.c"}},
		{"fs/a.c", "in_a_line_that_stays", []string{"fs/a.c"}},
		{"fs/b.c", "in_a_line_that_stays", nil},
		{"fs/b.c", "made.h", []string{"fs/made.h"}},
	} {
		e := &eachOne{Builder: &Builder{}, patches: others, words: map[*patch.Patch]patchWords{}}
		c := &compared{compiled: &compiled{planned: &planned{post: &ktree.Unit{Source: tt.source}}, failed: &ktree.CompileError{Names: []string{tt.missing}}}}
		found := map[*patch.Patch]bool{}
		// What is included is asked of a tree: the header is not among those that are tried here.
		if err := e.needed(t.Context(), c, others[1:], found); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range others {
			if found[p] {
				got = append(got, p.Paths()...)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s lacks %s: %q, want %q", tt.source, tt.missing, got, tt.want)
		}
	}
}

// TestNameNeeds says of what is lacking who changes it, and nothing of other refusals.
func TestNameNeeds(t *testing.T) {
	list, err := patch.Read("p", strings.NewReader(twoFiles))
	if err != nil {
		t.Fatal(err)
	}
	files := list[0].ByFile()
	e := &eachOne{wide: map[*patch.Patch]bool{files[0]: true, files[1]: false}}
	r := &Result{Refusals: []*finding.Refusal{refuse(CodeCompile, "", "fs/b.c", "no"), refuse(CodeSpecial, "", "fs/b.c", "no")}}
	before := r.Refusals[1].Hint
	e.nameNeeds(r, files, map[*patch.Patch]bool{files[1]: true})
	want := "what it lacks is changed by p:include/linux/new.h (which more than 600 objects have), p:fs/a.c: make one patch of them, with all that these need"
	if got := r.Refusals[0].Hint; got != want {
		t.Error(cmp.Diff(want, got))
	}
	if r.Refusals[1].Hint != before {
		t.Errorf("another code: %q", r.Refusals[1].Hint)
	}
	r.Refusals[0].Hint = "stays"
	e.wide = nil
	e.nameNeeds(r, files, nil)
	if r.Refusals[0].Hint != "stays" {
		t.Errorf("nobody changes it: %q", r.Refusals[0].Hint)
	}
}

const pastes = `--- a/fs/b.c
+++ b/fs/b.c
@@ -1,1 +1,2 @@
 int b;
+int c = dev_ready_to_probe();
--- a/fs/b.h
+++ b/fs/b.h
@@ -1,1 +1,3 @@
 struct kept;
+#define accessor(name) static inline int dev_##name(void) { return 1; }
+accessor(ready_to_probe)
`

// TestNeededPasted finds a name that a macro of another patch makes.
func TestNeededPasted(t *testing.T) {
	list, err := patch.Read("p", strings.NewReader(pastes))
	if err != nil {
		t.Fatal(err)
	}
	both := list[0].ByFile()
	e := &eachOne{Builder: &Builder{}, patches: both, words: map[*patch.Patch]patchWords{}}
	for name, want := range map[string]bool{"dev_ready_to_probe": true, "dev_ready_to_go": false, "unready_to_probe": false} {
		if got := ends(name, e.wordsOf(both[1])[pasted]); got != want {
			t.Errorf("%s is made by it: %v", name, got)
		}
	}
	if words := e.wordsOf(both[0])[pasted]; len(words) > 0 {
		t.Errorf("nothing in it makes names: %v", words)
	}
}

const beyond = `--- a/fs/b.c
+++ b/fs/b.c
@@ -1,1 +1,2 @@
 int b;
+#include <linux/ring.h>
--- a/include/linux/ring.h
+++ b/include/linux/ring.h
@@ -1,2 +1,2 @@
 struct ring_head {
-	int old;
+	int new;
`

// TestNeededBeside finds a name that another patch leaves as it is, beside what it changes.
func TestNeededBeside(t *testing.T) {
	list, err := patch.Read("p", strings.NewReader(beyond))
	if err != nil {
		t.Fatal(err)
	}
	both := list[0].ByFile()
	e := &eachOne{Builder: &Builder{}, patches: both, words: map[*patch.Patch]patchWords{}}
	c := &compared{compiled: &compiled{planned: &planned{post: &ktree.Unit{Source: "fs/b.c"}}, failed: &ktree.CompileError{Names: []string{"ring_head"}}}}
	found := map[*patch.Patch]bool{}
	if err := e.needed(t.Context(), c, both[1:], found); err != nil || !found[both[1]] {
		t.Errorf("found %v, %v", found, err)
	}
}
