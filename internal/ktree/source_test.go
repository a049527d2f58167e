package ktree

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// sourceFolder writes a source in which a kernel was built, and returns what is part of it.
func sourceFolder(t *testing.T) (dir string, want []string) {
	t.Helper()
	dir = t.TempDir()
	want = []string{"Kbuild", "Makefile", "include/linux/a.h", "lib/a.c", "lib/defkeymap.c_shipped", "scripts/vmlinux.lds.S", "tools/include/generated/x.h"}
	made := []string{
		".git/HEAD", ".config", "include/generated/autoconf.h", "include/config/A", "arch/x86/include/generated/asm/a.h", "vmlinux", "vmlinux.o",
		"lib/a.o", "lib/.a.o.cmd", "lib/built-in.a", "lib/m.ko", "lib/m.mod", "lib/defkeymap.c", "lib/.defkeymap.c.cmd", "tools/x/.git/config", "modules.order",
	}
	for _, name := range slices.Concat(want, made) {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(name), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../Makefile", filepath.Join(dir, "lib/link")); err != nil {
		t.Fatal(err)
	}
	want = append(want, "lib/link")
	slices.Sort(want)
	return dir, want
}

func TestCopySource(t *testing.T) {
	dir, want := sourceFolder(t)
	to := t.TempDir()
	if err := copySource(t.Context(), dir, to, 4); err != nil {
		t.Fatal(err)
	}
	var got []string
	err := filepath.WalkDir(to, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			got = append(got, path[len(to)+1:])
		}
		return err
	})
	slices.Sort(got)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("copied %q, want %q (%v)", got, want, err)
	}
	a, _ := os.Stat(filepath.Join(dir, "Kbuild"))
	b, _ := os.Stat(filepath.Join(to, "Kbuild"))
	if !a.ModTime().Equal(b.ModTime()) {
		t.Error("the time is another")
	}
	if target, err := os.Readlink(filepath.Join(to, "lib/link")); target != "../Makefile" || err != nil {
		t.Errorf("the link is to %q, %v", target, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := copySource(ctx, dir, t.TempDir(), 4); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestFingerprint: what a build does to a source is no change of it.
func TestFingerprint(t *testing.T) {
	dir, _ := sourceFolder(t)
	of := func() string {
		s, err := fingerprint(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := of()
	for _, name := range []string{"lib/a.o", ".config", "lib/new.o"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("made again"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if of() != first {
		t.Error("a product is part of the source")
	}
	if err := os.Chtimes(filepath.Join(dir, "lib/a.c"), time.Time{}, time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if of() == first {
		t.Error("a changed file is none")
	}
	if _, err := fingerprint(t.Context(), filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func TestMirrors(t *testing.T) {
	root := t.TempDir()
	if _, err := mirror(root); err == nil {
		t.Error("a mirror of nothing")
	}
	write := func(name, text string) {
		path := filepath.Join(root, "etc/apt", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	write("sources.list.d/a.sources", "Types: deb\n# URIs: http://comment.example/\nURIs: http://security.example/debian-security\nSuites: x\n\nTypes: deb\nuris: http://new.example/debian\n")
	if got, err := mirror(root); got != "http://new.example/debian" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	write("sources.list", "# deb http://comment.example x main\ndeb-src http://src.example x main\ndeb [arch=amd64 signed-by=/k] http://old.example/debian x main\n")
	if got, err := mirror(root); got != "http://old.example/debian" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// TestBuildrootError: a folder with no distribution in it.
func TestBuildrootError(t *testing.T) {
	tree := &Tree{spec: Spec{Buildroot: t.TempDir()}}
	var e *BuildrootError
	if err := tree.checkBuildroot(t.Context()); !errors.As(err, &e) || !strings.Contains(err.Error(), "bin/sh") {
		t.Errorf("%v, want a BuildrootError", err)
	}
}
