package keyed_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/splice/module/internal/keyed"
)

// TestBranches compiles testdata/branches.c, has its branches ask for the key, links it with
// testdata/main.c, and runs that: each function has to do what its like without branches does.
func TestBranches(t *testing.T) {
	for _, cc := range []string{"gcc-12", "clang-14"} {
		for _, o := range []string{"-O2", "-Os", "-O3"} {
			t.Run(cc+o, func(t *testing.T) {
				testenv.Need(t, cc)
				dir := t.TempDir()
				run(t, cc, o, "-w", "-fno-pic", "-ffunction-sections", "-fcf-protection=none", "-c", "testdata/branches.c", "-o", filepath.Join(dir, "branches.o"))
				failed := rewrite(t, filepath.Join(dir, "branches.o"))
				run(t, cc, "-O1", "-w", "-no-pie", "testdata/main.c", filepath.Join(dir, "branches.o"), "-o", filepath.Join(dir, "main"))
				said, err := exec.CommandContext(t.Context(), filepath.Join(dir, "main")).CombinedOutput()
				if len(said) > 0 || err != nil {
					t.Errorf("%v: %s", err, said)
				}
				if len(failed) > 0 {
					t.Errorf("these stay: %q", failed)
				}
			})
		}
	}
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if said, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
}

// rewrite rewrites all branches of an object, and returns which functions have ones that stay.
func rewrite(t *testing.T, path string) (failed []string) {
	t.Helper()
	spec := read(t, path)
	layout := kerneltab.Named(kerneltab.JumpTable).Usual()
	for i := range spec.Sections {
		s := &spec.Sections[i]
		if s.Name != kerneltab.JumpTable {
			continue
		}
		var entries []uint64
		for at := uint64(0); at < uint64(len(s.Data)); at += layout.Size {
			entries = append(entries, at)
		}
		if len(entries) < 8 {
			t.Fatalf("%d branches", len(entries))
		}
		for at, err := range keyed.Branches(spec, elfobj.SectionIndex(i), entries, &keyed.Marks{}) {
			name := functionOf(spec, elfobj.SectionIndex(i), at)
			t.Logf("%s: %v", name, err)
			failed = append(failed, name)
		}
	}
	var out bytes.Buffer
	if _, err := spec.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	slices.Sort(failed)
	return slices.Compact(failed)
}

// read reads an object.
func read(t *testing.T, path string) *elfobj.Spec {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := elfobj.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := f.Spec()
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

// functionOf is the section of the function that an entry is about, without what all have in common.
func functionOf(spec *elfobj.Spec, table elfobj.SectionIndex, at uint64) string {
	for i := range spec.Sections {
		if s := &spec.Sections[i]; elfobj.SectionIndex(s.Info) == table && len(s.Relas) > 0 {
			for _, r := range s.Relas {
				if r.Offset == at {
					return strings.TrimPrefix(spec.Sections[spec.Symbols[r.Sym].Section].Name, ".text.asks_")
				}
			}
		}
	}
	return "?"
}
