package gosplice_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gosplice/gosplice/internal/lab/api"
)

var update = flag.Bool("update", false, "write the files in the folder api")

// TestAPI compares the exported API of each public package with its file in the folder api.
// Who changes the API changes the file with it, and CHANGELOG.md:
//
//	go test -run TestAPI -update .
func TestAPI(t *testing.T) {
	files := map[string]bool{}
	for _, p := range load(t) {
		name := filepath.Join("api", filepath.FromSlash(p.Path)+".txt")
		files[name] = true
		got := strings.Join(api.Text(p.Path, p.Types), "\n") + "\n"
		if *update {
			write(t, name, got)
			continue
		}
		want, err := os.ReadFile(name)
		if err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
			t.Errorf("%s: if this is meant, run go test -run TestAPI -update . and say so in CHANGELOG.md (-file +code):\n%s", name, diff)
		}
	}
	for _, name := range kept(t) {
		if !files[name] {
			t.Errorf("%s is of no package: remove it", name)
		}
	}
}

func load(t *testing.T) []api.Package {
	t.Helper()
	list, err := api.Load()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

// kept lists the files that there are.
func kept(t *testing.T) (names []string) {
	t.Helper()
	err := filepath.WalkDir("api", func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, path)
		}
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return names
}

// TestNameable holds that an importer can name every type in the exported API: none is of an
// internal package, and none is not exported.
func TestNameable(t *testing.T) {
	for _, p := range load(t) {
		for _, s := range api.Unnameable(p.Types) {
			t.Errorf("%s: %s", p.Path, s)
		}
	}
}
