package kbuild

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/debkernel"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/vm"
)

// TestWith configures a tree for another compiler: what was made before is gone, and
// the tree stays as it is.
func TestWith(t *testing.T) {
	testenv.Need(t, "make", "cp")
	cache, err := deb.NewCache(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache.Dir(), "kbuild/tree")
	files := map[string]string{
		"Makefile":               "mrproper:\n\trm -f program .config\nolddefconfig modules_prepare:\n\techo $(CC) > $@.made\n",
		"tools/objtool/Makefile": "clean:\n\trm -f objtool\n",
		"tools/objtool/objtool":  "of another system\n", "program": "of another system\n", ".config": "old\n", "source.c": "int a;\n",
	}
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	config := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(config, []byte("CONFIG_A=y\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	stock := &Tree{Dir: dir, cache: cache, args: []string{"CC=gcc"}, Kernel: &debkernel.Kernel{Kernel: vm.Kernel{Release: "6.1"}, Config: config}}
	got, err := stock.With(t.Context(), Compiler{Command: "gcc-10"})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"olddefconfig.made": "gcc-10\n", "modules_prepare.made": "gcc-10\n", "source.c": "int a;\n",
		".config": "CONFIG_A=y\nCONFIG_BUILD_SALT=\"6.1\"\n", "program": "", "tools/objtool/objtool": "",
	} {
		text, err := os.ReadFile(filepath.Join(got.Dir, name))
		if string(text) != want || (err != nil) != (want == "") {
			t.Errorf("%s: %q, %v; want %q", name, text, err, want)
		}
	}
	for name, want := range files {
		if text, err := os.ReadFile(filepath.Join(dir, name)); string(text) != want {
			t.Errorf("of the tree itself, %s: %q, %v; want %q", name, text, err, want)
		}
	}
	if len(stock.args) != 1 {
		t.Errorf("its arguments are %q", stock.args)
	}
}
