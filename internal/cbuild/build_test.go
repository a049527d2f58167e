package cbuild

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// tree copies the little source.
func tree(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "src")
	if err := os.CopyFS(dir, os.DirFS("testdata/tree")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// names are units as a test has them.
func (b *Build) names(units []int) string {
	var out []string
	for _, n := range units {
		out = append(out, b.Rel(b.Units[n].Object))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// TestOpen builds a tree: which object is in which program and library, what it is made of;
// the source is as it was, and a second time nothing is built.
func TestOpen(t *testing.T) {
	testenv.Need(t, "gcc", "make", "ar", "unshare")
	s := Spec{Dir: tree(t), Command: "make", Cache: t.TempDir()}
	b, err := Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, o := range b.Outputs {
		got[b.Rel(o.Path)] = b.names(o.Units) + " " + o.Soname
	}
	want := map[string]string{
		"shop":        "lib/price.o lib/round.o lib/unused.o shop.o ",
		"till":        "lib/price.o lib/round.o lib/unused.o till(till.c) ",
		"libtax.so.1": "objs/tax.o libtax.so.1",
		"gen":         "gen(gen.c) ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, u := range b.Units {
		if !slices.Contains(u.Deps, u.Source) || !slices.Contains(u.Deps, filepath.Join(b.Root, "price.h")) && !strings.HasSuffix(u.Source, "tax.c") && !strings.HasSuffix(u.Source, "gen.c") {
			t.Errorf("%s is made of %q", u.Object, u.Deps)
		}
	}
	if _, err := os.Stat(filepath.Join(b.Root, "shop")); err == nil {
		t.Error("the source is written to")
	}
	again, err := Open(t.Context(), s)
	if err != nil || !again.Kept || again.Tree != b.Tree {
		t.Errorf("built again: %v", err)
	}
	b.spec.Log, again.spec.Log, b.Kept = nil, nil, true
	if diff := cmp.Diff(b.Units, again.Units); diff != "" {
		t.Error(diff)
	}
	scratch(t, b)
}

// scratch compiles all objects again: they are as the build has them, and otherwise where the
// source is.
func scratch(t *testing.T, b *Build) {
	w, err := b.NewScratch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	all := make([]int, len(b.Units))
	for i := range all {
		all[i] = i
	}
	pre, err := w.Compile(t.Context(), all, filepath.Join(t.TempDir(), "pre"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Change(map[string][]byte{"price.h": []byte("#error this is it\n")}, nil); err != nil {
		t.Fatal(err)
	}
	post, err := w.Compile(t.Context(), all, filepath.Join(t.TempDir(), "post"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, u := range b.Units {
		if pre[i].Err != nil {
			t.Error(pre[i].Err)
			continue
		}
		if !u.Direct {
			is, err := os.ReadFile(pre[i].Path)
			was, werr := os.ReadFile(b.At(strings.Replace(u.Object, "objs/tax.o", "tax.lo", 1)))
			if err != nil || werr != nil || !bytes.Equal(is, was) {
				t.Errorf("%s is not what the build made: %v, %v", u.Object, err, werr)
			}
		}
		if fails := filepath.Base(u.Source) != "tax.c" && filepath.Base(u.Source) != "gen.c"; fails != (post[i].Err != nil) || fails && !strings.Contains(post[i].Err.Error(), "this is it") {
			t.Errorf("%s: %v", u.Source, post[i].Err)
		}
	}
}

// TestOpenFails tells what a build says, and keeps nothing.
func TestOpenFails(t *testing.T) {
	testenv.Need(t, "make", "unshare")
	cache := t.TempDir()
	_, err := Open(t.Context(), Spec{Dir: tree(t), Command: "echo so much; make nothing", Cache: cache})
	if err == nil || !strings.Contains(err.Error(), "so much") {
		t.Error(err)
	}
	if list, _ := filepath.Glob(filepath.Join(cache, folder, "*", index)); len(list) > 0 {
		t.Errorf("kept: %q", list)
	}
}

// TestWrapper has a wrapper record what a shell hands over, and run the tool.
func TestWrapper(t *testing.T) {
	testenv.Need(t, "sh", "cat")
	dir := t.TempDir()
	real, bin, records := filepath.Join(dir, "it's"), filepath.Join(dir, "bin"), filepath.Join(dir, "records")
	for _, d := range []string{real, bin, records} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(real, "gcc"), []byte("#!/bin/sh\necho \"$#\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := writeWrappers(bin, records, real); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "more"), []byte("-Dx='a b' -c\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(bin, "gcc"), "@more", "a b.c", "", "-DX=\"y\nz\"", "@none")
	cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "A=b c"}
	out, err := cmd.Output()
	if err != nil || strings.TrimSpace(string(out)) != "5" {
		t.Fatalf("%q, %v", out, err)
	}
	list, err := readRecords(records)
	if err != nil || len(list) != 1 {
		t.Fatalf("%v, %v", list, err)
	}
	c := list[0]
	want := []string{"-Dx=a b", "-c", "a b.c", "", "-DX=\"y\nz\"", "@none"}
	if diff := cmp.Diff(want, c.Args); diff != "" || c.Dir != dir || c.Name != "gcc" || c.Tool != filepath.Join(real, "gcc") || !slices.Contains(c.Env, "A=b c") {
		t.Errorf("%+v\n%s", c, diff)
	}
}
