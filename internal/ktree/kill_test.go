//go:build linux

package ktree

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// killedEnv has the test's program compile in a cache, until it is killed.
const killedEnv = "KTREE_TEST_KILLED"

// editions are what who is killed compiles, one after the other.
func editions(i int) Overlay {
	return Overlay{
		"include/linux/wide.h": fmt.Appendf(nil, "#define WIDE %d\n", i),
		"fs/new/near.h":        fmt.Appendf(nil, "#define NEAR %d\n", i),
		"fs/near.h":            nil,
		"fs/a.c":               []byte("#include <linux/wide.h>\n#include \"new/near.h\"\nint a(void) { return WIDE + NEAR; }\n"),
	}
}

const nEditions = 5

// manyFiles are the small source with as many files as make a copy of it take a while.
func manyFiles() map[string]string {
	files := map[string]string{}
	for name, text := range fakeFiles {
		files[name] = text
	}
	for i := range 300 {
		files[fmt.Sprintf("doc/%d/%d", i%10, i)] = "text"
	}
	return files
}

// TestKilledChild is the one that is killed.
func TestKilledChild(t *testing.T) {
	cache := os.Getenv(killedEnv)
	if cache == "" {
		t.Skip("it is for TestKilled")
	}
	tree := fakeTree(t, cache, nil)
	for i := 0; ; i++ {
		if _, err := tree.Compile(t.Context(), fakeUnits("gcc"), editions(rand.IntN(nEditions))); err != nil {
			t.Fatal(err)
		}
		if rand.IntN(4) == 0 { // what is done is in nobody's way then
			os.RemoveAll(filepath.Join(cache, "ktree-objects"))
		}
		if rand.IntN(8) == 0 {
			w, err := tree.loose(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(os.Remove(filepath.Join(w.dir, "fs/b.c")), w.discard()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestKilled kills processes that compile, at any time, and then compiles: the objects are
// those of a cache in which nobody was killed, and the tree and its copies are what they were.
func TestKilled(t *testing.T) {
	testenv.Serial(t)
	files := manyFiles()
	cache := t.TempDir()
	tree := fakeTree(t, cache, files)
	clean := fakeTree(t, t.TempDir(), files)
	times := 12
	switch {
	case testenv.Asked(testenv.Long):
		times = 400
	case testenv.Asked(testenv.More):
		times = 60
	}
	for i := range times {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilledChild$")
		cmd.Env = append(os.Environ(), killedEnv+"="+cache)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		const longest = 600
		time.Sleep(time.Duration(rand.IntN(longest)) * time.Millisecond)
		cmd.Process.Kill()
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() >= 0 {
			t.Fatalf("it ended by itself: %v", err)
		}
		if i%4 != 0 {
			continue // several are killed, one after the other
		}
		o := editions(i % nEditions)
		got, want := compileAll(t, tree, fakeUnits("gcc"), o), compileAll(t, clean, fakeUnits("gcc"), o)
		for k := range got {
			if filepath.Base(got[k].Path) != filepath.Base(want[k].Path) {
				t.Errorf("after %d: %s is %s, not %s", i, got[k].Unit.Object, got[k].Path, want[k].Path)
			}
		}
	}
	same(t, tree.dir, files)
	copies, err := filepath.Glob(filepath.Join(cache, "ktree-work/fake/?"))
	if err != nil || len(copies) == 0 {
		t.Fatal(copies, err)
	}
	for range copies { // but those that compilers have yet that were left behind
		w, err := tree.workspace(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer w.release()
		same(t, w.dir, files)
	}
	t.Logf("%d copies", len(copies))
}

// TestDiskFull compiles on a disk that has less and less room.
func TestDiskFull(t *testing.T) {
	testenv.Serial(t)
	testenv.NeedRoot(t)
	cache := t.TempDir()
	if err := unix.Mount("none", cache, "tmpfs", 0, "size=1m"); err != nil {
		testenv.Skip(t, "no tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(cache, 0); err != nil {
			t.Error(err)
		}
	})
	tree, clean := fakeTree(t, cache, fakeFiles), fakeTree(t, t.TempDir(), fakeFiles)
	filler := filepath.Join(cache, "filler")
	full := 0
	for left := 0; left < 100<<10; left += 4 << 10 {
		o := Overlay{"fs/a.c": fmt.Appendf(nil, "int a(void) { return %d; }\n", left)}
		fill(t, cache, filler, left)
		got, err := tree.Compile(t.Context(), fakeUnits("gcc"), o)
		switch {
		case errors.Is(err, ErrNoSpace):
			full++
		case err != nil:
			t.Errorf("%d bytes left: %v", left, err)
		}
		for _, g := range got {
			if g.Err != nil {
				t.Errorf("%d bytes left: %v", left, g.Err)
			}
		}
		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
		got, want := compileAll(t, tree, fakeUnits("gcc"), o), compileAll(t, clean, fakeUnits("gcc"), o)
		for k := range got {
			if filepath.Base(got[k].Path) != filepath.Base(want[k].Path) {
				t.Errorf("%d bytes left: %s is %s, not %s", left, got[k].Unit.Object, got[k].Path, want[k].Path)
			}
		}
	}
	if full == 0 {
		t.Error("the disk was never full")
	}
	same(t, filepath.Join(cache, "ktree-work/fake/0"), fakeFiles)
	t.Logf("full %d times", full)
}

// fill leaves so many bytes of a file system.
func fill(t *testing.T, dir, filler string, left int) {
	t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	n := max(0, int(st.Bavail)*int(st.Bsize)-left)
	if err := os.WriteFile(filler, make([]byte, n), 0o644); err != nil {
		t.Fatal(err)
	}
}
