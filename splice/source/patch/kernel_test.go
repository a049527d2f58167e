package patch

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/debkernel"
	"github.com/gosplice/gosplice/internal/lab/kbuild"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
)

// TestKernels applies what git says differs between two kernels to the older one: it becomes the
// newer one, byte for byte, and by the reverse the older one again. Each file alone, on the newer
// one, is there already.
func TestKernels(t *testing.T) {
	vmtest.Long(t)
	testenv.Need(t, "git")
	var trees []string
	for _, series := range []string{"6.1", "6.12"} {
		k, err := debkernel.Stock(t.Context(), series)
		if err != nil {
			testenv.Skip(t, "%v", err)
		}
		trees = append(trees, kbuild.Need(t, k).Dir)
	}
	for _, folder := range testenv.Sample(0, []string{"mm", "kernel/sched", "net/core", "fs/proc", "fs/ext4", "include/linux"}) {
		cmd := exec.Command("git", "diff", "--no-index", "-M", filepath.Join(trees[0], folder), filepath.Join(trees[1], folder))
		text, err := cmd.Output()
		if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
			t.Fatal(err)
		}
		// The names are those of the folders, one of which is in both.
		diff := strings.NewReplacer("a"+trees[0]+"/", "a/", "b"+trees[1]+"/", "b/", trees[0]+"/", "", trees[1]+"/", "", trees[0][1:]+"/", "", trees[1][1:]+"/", "").Replace(string(text))
		patches, err := Read(folder, strings.NewReader(diff))
		if err != nil || len(patches) != 1 {
			t.Errorf("%s: %v", folder, err)
			continue
		}
		becomes(t, patches[0], trees[0], trees[1])
		becomes(t, patches[0].Reverse(), trees[1], trees[0])
		newer := NewTree(os.DirFS(trees[1]))
		for _, one := range patches[0].ByFile() {
			if err := newer.Apply(one); !errors.Is(err, CodeApplied) {
				t.Errorf("%s: %v", one.Name, err)
			}
		}
	}
}

// becomes applies a patch to a tree, which has to become another one.
func becomes(t *testing.T, p *Patch, from, to string) {
	t.Helper()
	tree := NewTree(os.DirFS(from))
	if err := tree.Apply(p); err != nil {
		t.Errorf("%s: %v", p.Name, err)
		return
	}
	changed := tree.Changed()
	for name, content := range changed {
		want, err := os.ReadFile(filepath.Join(to, name))
		if content == nil && errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil || !bytes.Equal(content, want) {
			t.Errorf("%s: %s differs from %s, %v", p.Name, name, to, err)
		}
	}
	t.Logf("%s: %d files, %d hunks at other lines", p.Name, len(changed), len(tree.Placements()))
}
