package deb

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

func newCache(t *testing.T) *Cache {
	t.Helper()
	c, err := NewCache(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestMakeOnce(t *testing.T) {
	c := newCache(t)
	var fills atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			dir, err := c.Make(t.Context(), "a/b", func(dir string) error {
				fills.Add(1)
				time.Sleep(100 * time.Millisecond)
				return os.WriteFile(filepath.Join(dir, "x"), []byte("whole"), 0o644)
			})
			if err != nil {
				t.Error(err)
				return
			}
			if b, err := os.ReadFile(filepath.Join(dir, "x")); string(b) != "whole" {
				t.Errorf("read %q, %v", b, err)
			}
		})
	}
	wg.Wait()
	if n := fills.Load(); n != 1 {
		t.Errorf("filled %d times, want 1", n)
	}
}

func TestMakeInterrupted(t *testing.T) {
	c := newCache(t)
	errNo := errors.New("no")
	if _, err := c.Make(t.Context(), "a", func(string) error { return errNo }); !errors.Is(err, errNo) {
		t.Errorf("Make: %v, want %v", err, errNo)
	}
	left := filepath.Join(c.Dir(), "a.tmp", "half") // as a killed process leaves it
	if err := os.MkdirAll(left, 0o755); err != nil {
		t.Fatal(err)
	}
	dir, err := c.Make(t.Context(), "a", func(dir string) error { return os.Mkdir(filepath.Join(dir, "new"), 0o755) })
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != "new" {
		t.Errorf("%v, %v: want only what the last one made", entries, err)
	}
	if _, err := c.Make(t.Context(), "../a", nil); err == nil {
		t.Error("a name outside the cache was accepted")
	}
}

func TestLockWaits(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	unlock, err := Lock(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 80*time.Millisecond)
	defer cancel()
	if _, err := Lock(ctx, name); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("second Lock: %v, want the deadline", err)
	}
	unlock()
	if unlock, err = Lock(t.Context(), name); err != nil {
		t.Fatalf("after unlock: %v", err)
	}
	unlock()
}

func TestParseMadison(t *testing.T) {
	got := parseMadison(`
linux-image-6.1.0-50-cloud-amd64 |  6.1.176-1 | http://mirror.example/debian bookworm/main amd64 Packages
linux-image-6.1.0-50-cloud-amd64 |  6.1.176-1 | http://security.example/debian-security bookworm-security/main amd64 Packages
linux-image-6.1.0-56-cloud-amd64 |  6.1.192-2 | http://security.example/debian-security bookworm-security/main amd64 Packages
linux-image-6.1.0-9-cloud-amd64 |  6.1.99-1 | http://mirror.example/debian bookworm/main amd64 Packages
linux |  6.1.199-1 | http://mirror.example/debian bookworm/main Sources
`)
	want := []Package{
		{"linux-image-6.1.0-56-cloud-amd64", "6.1.192-2"},
		{"linux-image-6.1.0-50-cloud-amd64", "6.1.176-1"},
		{"linux-image-6.1.0-9-cloud-amd64", "6.1.99-1"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("packages (-want +got):\n%s", diff)
	}
}

// TestTree fetches one of the smallest packages there are.
func TestTree(t *testing.T) {
	testenv.NeedKernels(t)
	testenv.Need(t, "apt-get", "apt-cache", "dpkg-deb")
	c := newCache(t)
	pkgs, err := c.Find(t.Context(), "hello")
	if errors.Is(err, ErrUnavailable) {
		testenv.Skip(t, "%v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	dir, err := c.Tree(t.Context(), []string{"usr/bin/hello", "usr/share/doc"}, pkgs[0])
	if errors.Is(err, ErrUnavailable) {
		testenv.Skip(t, "%v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"usr/bin/hello", "usr/share/doc/hello/copyright"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "usr/share/man")); err == nil {
		t.Error("what was not asked for was unpacked")
	}
	if _, err := c.Tree(t.Context(), []string{"no/such"}, pkgs[0]); err == nil || !strings.Contains(err.Error(), "no/such") {
		t.Errorf("a pattern without a file: %v", err)
	}
	if _, err := c.Tree(t.Context(), nil, Package{Name: "hello"}); err == nil {
		t.Error("a package without a version was accepted")
	}
}

func TestUnavailable(t *testing.T) {
	testenv.NeedKernels(t)
	testenv.Need(t, "apt-get", "apt-cache")
	c := newCache(t)
	if _, err := c.Find(t.Context(), "no-such-package-[0-9]+"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("Find: %v, want %v", err, ErrUnavailable)
	}
	p := Package{Name: "no-such-package", Version: "1"}
	if _, err := c.Tree(t.Context(), []string{"x"}, p); !errors.Is(err, ErrUnavailable) {
		t.Errorf("Tree: %v, want %v", err, ErrUnavailable)
	}
	if entries, _ := filepath.Glob(filepath.Join(c.Dir(), "*", "*.tmp")); len(entries) != 0 {
		t.Errorf("left behind: %q", entries)
	}
}
