package corpus

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gosplice/gosplice/internal/lab/kbuild"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// fakeTree is what a kernel's tree has that stages use. Making b.o takes long
// unless there is the file "go"; wrong.o fails, after a.o was made; and each
// object is a line of "log". Like the kernel's, it writes over what says how
// something was made.
const fakeTree = `
all-objects: $(MAKECMDGOALS)
%.o: %.c
	touch $@.begun
	if [ $@ = d/b.o ] && [ ! -e go ]; then sleep 100; fi
	echo $@ >> log
	echo $@ > .made.cmd
	echo $@ > made
	gcc -c -o $@ $<
c/wrong.o: a.o
`

func newFakeCorpus(t *testing.T) (*Corpus, string) {
	testenv.Need(t, "gcc", "make", "cp")
	tree := write(t, map[string]string{
		"Makefile": fakeTree, "arch/x86/Makefile": "libs-y += arch/x86/lib/\n", "a.c": "int a;\n", "d/b.c": "int b;\n", "c/wrong.c": "?\n",
		"log": "", ".made.cmd": "tree\n", "made": "tree\n",
	})
	return &Corpus{Files: []string{"a.c", "c/wrong.c", "d/b.c"}, from: &kbuild.Tree{Dir: tree}}, tree
}

// buildAs builds a stage as the cache has it built: in an empty folder, which is
// removed when that fails.
func buildAs(ctx context.Context, c *Corpus, stage string, finish func(context.Context, string) error) error {
	if err := os.MkdirAll(stage+".tmp", 0o755); err != nil {
		return err
	}
	if err := c.build(ctx, Pre, stage+".tmp", c.Files, finish); err != nil {
		return errors.Join(err, os.RemoveAll(stage+".tmp"))
	}
	return os.Rename(stage+".tmp", stage)
}

// TestResume interrupts a stage while make works, and then while objects are
// completed: no object is compiled twice.
func TestResume(t *testing.T) {
	c, tree := newFakeCorpus(t)
	stage := filepath.Join(t.TempDir(), "pre")
	work := stage + "." + filepath.Base(tree)

	// Interrupt it when a.o is made and b.o is not.
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		for _, name := range []string{"d/b.o.begun", "c/wrong.o.begun"} {
			for !exists(filepath.Join(work, name)) && t.Context().Err() == nil {
				time.Sleep(5 * time.Millisecond)
			}
		}
	}()
	if err := buildAs(ctx, c, stage, nil); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v, want that it was cancelled", err)
	}
	if err := os.WriteFile(filepath.Join(work, "go"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	failed := errors.New("not completed")
	finish := func(_ context.Context, object string) error {
		if strings.HasSuffix(object, "b.o") {
			return failed
		}
		return os.WriteFile(object+".new", nil, 0o644)
	}
	if err := buildAs(t.Context(), c, stage, finish); !errors.Is(err, failed) {
		t.Fatalf("error %v, want %v", err, failed)
	}
	log, err := os.ReadFile(filepath.Join(work, "log"))
	if err != nil {
		t.Fatal(err)
	}
	if err := buildAs(t.Context(), c, stage, nil); err != nil {
		t.Fatal(err)
	}
	if exists(work) {
		t.Error("the copy of the tree is still there")
	}
	lines := slices.DeleteFunc(strings.Fields(string(log)), func(s string) bool { return s == "c/wrong.o" })
	if slices.Sort(lines); !slices.Equal(lines, []string{"a.o", "d/b.o"}) {
		t.Errorf("compiled %q", lines)
	}
	for object, want := range map[string]bool{"a.o": true, "d/b.o": true, "c/wrong.o": false} {
		if exists(filepath.Join(stage, object)) != want {
			t.Errorf("%s: made %v, want %v", object, !want, want)
		}
	}
}

// TestShare has make write over files: those of the tree stay as they are.
func TestShare(t *testing.T) {
	c, tree := newFakeCorpus(t)
	c.Files = []string{"a.c"}
	if err := buildAs(t.Context(), c, filepath.Join(t.TempDir(), "pre"), nil); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{".made.cmd", "made"} {
		if text, err := os.ReadFile(filepath.Join(tree, name)); err != nil || string(text) != "tree\n" {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
}
