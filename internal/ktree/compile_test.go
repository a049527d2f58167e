package ktree

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// compileAll compiles, and fails the test for what does not.
func compileAll(t testing.TB, tree *Tree, units []Unit, o Overlay) []Object {
	t.Helper()
	list, err := tree.Compile(t.Context(), units, o)
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		if list[i].Err != nil {
			t.Errorf("%s: %v", list[i].Unit.Object, list[i].Err)
		}
	}
	return list
}

// TestKept compiles editions one after the other: what was made of the same is not made again,
// and what was made of something else is not taken for it.
func TestKept(t *testing.T) {
	tree := fakeTree(t, t.TempDir(), fakeFiles)
	units := fakeUnits("gcc")
	rows := []struct {
		name    string
		overlay Overlay
		cached  string // a letter for each object
	}{
		{"nothing", nil, ""},
		{"again", nil, "abc"},
		{"source", Overlay{"fs/a.c": []byte(fakeFiles["fs/a.c"] + "int more;\n")}, "bc"},
		{"header", Overlay{"include/linux/wide.h": []byte("#define WIDE 3\n")}, "c"},
		{"header again, and a source that it does not touch", Overlay{"include/linux/wide.h": []byte("#define WIDE 3\n"), "fs/b.c": []byte("int b;\n")}, "ac"},
		{"both as they were", Overlay{"include/linux/wide.h": []byte(fakeFiles["include/linux/wide.h"])}, "c"},
		{"shadow", Overlay{"fs/linux/wide.h": []byte("#define WIDE 4\n")}, "c"},
		{"shadow that takes its place", Overlay{"include/near.h": []byte("#define NEAR 5\n")}, "bc"},
		{"moved", Overlay{"fs/near.h": nil, "include/near.h": []byte("#define NEAR 5\n")}, "bc"},
		{"data", Overlay{"fs/blob": []byte("other")}, "ab"},
		{"elsewhere", Overlay{"fs/z.c": []byte("int z;\n")}, "abc"},
		{"and again", nil, "abc"},
	}
	for _, r := range rows {
		got := ""
		list, err := tree.Compile(t.Context(), units, r.overlay)
		if err != nil {
			t.Fatalf("%s: %v", r.name, err)
		}
		for i := range list {
			if list[i].Err != nil {
				t.Errorf("%s: %v", r.name, list[i].Err)
			}
			if list[i].Cached {
				got += strings.TrimSuffix(filepath.Base(list[i].Unit.Object), ".o")
			}
		}
		if got != r.cached {
			t.Errorf("%s: %q kept, want %q", r.name, got, r.cached)
		}
		same(t, tree.dir, fakeFiles)
	}
	same(t, filepath.Join(tree.cache.Dir(), "ktree-work/fake/0"), fakeFiles)
}

// TestPath compiles the same file in the tree and in a copy: nothing of where it was shows.
func TestPath(t *testing.T) {
	tree := fakeTree(t, t.TempDir(), fakeFiles)
	units := fakeUnits("gcc")[:1]
	pre := compileAll(t, tree, units, nil)
	post := compileAll(t, tree, units, Overlay{"fs/a.c": []byte(fakeFiles["fs/a.c"] + "\n")})
	if post[0].Cached {
		t.Fatal("it was not compiled")
	}
	a, err := os.ReadFile(pre[0].Path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(post[0].Path)
	if err != nil {
		t.Fatal(err)
	}
	if string(a) != string(b) {
		t.Error("the objects differ")
	}
}

// TestFailures is what keeps an object from being made.
func TestFailures(t *testing.T) {
	tree := fakeTree(t, t.TempDir(), fakeFiles)
	units := fakeUnits("gcc")
	list, err := tree.Compile(t.Context(), units, Overlay{"fs/a.c": []byte("int a(void)\n{\n\treturn none;\n}\n")})
	if err != nil {
		t.Fatal(err)
	}
	var ce *CompileError
	if !errors.As(list[0].Err, &ce) || ce.File != "fs/a.c" || ce.Line != 3 || !strings.Contains(ce.Text, "none") || list[0].Path != "" {
		t.Errorf("%+v", list[0].Err)
	}
	for _, o := range list[1:] {
		if o.Err != nil || o.Path == "" {
			t.Errorf("%s: %v", o.Unit.Object, o.Err)
		}
	}
	for _, name := range []string{"../x", "/x", "", ".", "a/../b"} {
		if _, err := tree.Compile(t.Context(), units, Overlay{name: []byte("x")}); err == nil {
			t.Errorf("%q is taken", name)
		}
	}
	bad := []Unit{{Source: "fs/a.c", Object: "fs/a.o", Command: "gcc fs/a.c"}}
	if _, err := tree.Compile(t.Context(), bad, Overlay{"fs/a.c": []byte("\n")}); err == nil {
		t.Error("a command that is none is taken")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := tree.Compile(ctx, units, Overlay{"fs/b.c": []byte("int x;\n")}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
	same(t, filepath.Join(tree.cache.Dir(), "ktree-work/fake/0"), fakeFiles)
}

// TestKeptFailures compiles what does not compile, and asks again: with the same it is told as it was,
// with another header it is tried anew. What does not get through the preprocessor is told for the
// same overlay alone.
func TestKeptFailures(t *testing.T) {
	tree := fakeTree(t, t.TempDir(), fakeFiles)
	units := fakeUnits("gcc")[:1]
	source := func(text string) []byte { return []byte(fakeFiles["fs/a.c"] + text) }
	lacks, absent := source("int lacks = LACKS;\n"), source("#ifndef GIVEN\n#error 'GIVEN' is not\n#endif\n")
	for _, r := range []struct {
		name         string
		overlay      Overlay
		failed, kept bool
	}{
		{"a name", Overlay{"fs/a.c": lacks}, true, false},
		{"again", Overlay{"fs/a.c": lacks}, true, true},
		{"beside another file", Overlay{"fs/a.c": lacks, "fs/b.c": []byte("int b;\n")}, true, true},
		{"with the name", Overlay{"fs/a.c": lacks, "include/linux/wide.h": []byte("#define WIDE 3\n#define LACKS 3\n")}, false, false},
		{"before the end", Overlay{"fs/a.c": absent}, true, false},
		{"that again", Overlay{"fs/a.c": absent}, true, true},
		{"that beside another file", Overlay{"fs/a.c": absent, "fs/b.c": []byte("int b;\n")}, true, false},
		{"given", Overlay{"fs/a.c": absent, "include/linux/wide.h": []byte("#define WIDE 3\n#define GIVEN\n")}, false, false},
	} {
		list, err := tree.Compile(t.Context(), units, r.overlay)
		if err != nil {
			t.Fatalf("%s: %v", r.name, err)
		}
		var ce *CompileError
		if o := list[0]; errors.As(o.Err, &ce) != r.failed || o.Cached != r.kept || (o.Path == "") != r.failed {
			t.Errorf("%s: %v, kept %t, want failed %t, kept %t", r.name, o.Err, o.Cached, r.failed, r.kept)
		}
		if r.failed && (ce == nil || ce.File != "fs/a.c" || len(ce.Names) == 0 || ce.Line == 0) {
			t.Errorf("%s: %+v", r.name, ce)
		}
	}
	found, err := filepath.Glob(filepath.Join(tree.folder(&units[0]), "*.failed"))
	if err != nil || len(found) == 0 {
		t.Fatal(found, err)
	}
	for _, f := range found {
		if err := os.Truncate(f, 10); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := tree.Compile(t.Context(), units, Overlay{"fs/a.c": lacks}); err != nil || list[0].Err == nil || list[0].Cached {
		t.Errorf("after a loss of power: %v, %v", list, err)
	}
}

// TestCcache compiles through ccache, in the tree and in copies.
func TestCcache(t *testing.T) {
	testenv.Need(t, "ccache")
	t.Setenv("CCACHE_DIR", t.TempDir())
	tree := fakeTree(t, t.TempDir(), fakeFiles)
	direct := compileAll(t, tree, fakeUnits("gcc"), nil)
	through := compileAll(t, tree, fakeUnits("ccache gcc"), nil)
	for i := range direct {
		if direct[i].Path != through[i].Path || through[i].Cached {
			t.Errorf("%s and %s", direct[i].Path, through[i].Path)
		}
	}
}

// TestDamaged has objects whose content is lost made again.
func TestDamaged(t *testing.T) {
	tree := fakeTree(t, t.TempDir(), fakeFiles)
	units := fakeUnits("gcc")[:1]
	first := compileAll(t, tree, units, nil)[0].Path
	want, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"*.o", "*.made", "*.deps"} {
		found, err := filepath.Glob(filepath.Join(tree.folder(&units[0]), name))
		if err != nil || len(found) == 0 {
			t.Fatal(found, err)
		}
		for _, f := range found {
			if err := os.Truncate(f, 10); err != nil {
				t.Fatal(err)
			}
		}
		o := compileAll(t, tree, units, nil)[0]
		got, err := os.ReadFile(o.Path)
		if err != nil || o.Cached || string(got) != string(want) {
			t.Errorf("%s: cached %t, %v", name, o.Cached, err)
		}
	}
}
