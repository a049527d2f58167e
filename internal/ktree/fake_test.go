package ktree

import (
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// fakeFiles are a source of three objects that need no kernel.
var fakeFiles = map[string]string{
	"include/linux/wide.h": "#define WIDE 1\n",
	"fs/near.h":            "#define NEAR 2\n",
	"fs/a.c":               "#include <linux/wide.h>\n#include \"near.h\"\nint a(void) { return WIDE + NEAR; }\nconst char *file = __FILE__;\n",
	"fs/b.c":               "#include <linux/wide.h>\nint b(void) { return WIDE; }\n",
	"fs/c.S":               "\t.data\n\t.incbin \"fs/blob\"\n",
	"fs/blob":              "data",
}

// fakeUnit is how an object of it is made. cc may have words before the compiler.
func fakeUnit(cc, source string) Unit {
	object := strings.TrimSuffix(source, path.Ext(source)) + ".o"
	dep := path.Join(path.Dir(source), "."+path.Base(object)+".d")
	return Unit{Source: source, Object: object, Command: cc + " -Wp,-MMD," + dep + " -nostdinc -I./include -g -O2 -D__KERNEL__ -c -o " + object + " " + source + " "}
}

// fakeUnits are how all of them are made.
func fakeUnits(cc string) []Unit {
	return []Unit{fakeUnit(cc, "fs/a.c"), fakeUnit(cc, "fs/b.c"), fakeUnit(cc, "fs/c.S")}
}

// fakeTree is a prepared tree of files in a cache.
func fakeTree(t testing.TB, cache string, files map[string]string) *Tree {
	t.Helper()
	testenv.Need(t, "gcc", "sh")
	c, err := deb.NewCache(cache)
	if err != nil {
		t.Fatal(err)
	}
	tree := &Tree{spec: Spec{Jobs: 2}, cache: c, id: "fake", dir: filepath.Join(c.Dir(), "ktree", "fake")}
	if _, err := os.Stat(tree.dir); err == nil {
		return tree
	}
	past := time.Now().Add(-time.Hour)
	for name, text := range files {
		full := filepath.Join(tree.dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), 0o444); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(full, past, past); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(tree.dir, stamp), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	return tree
}

// same reports that the files of a folder are what they should be.
func same(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	found := 0
	err := filepath.WalkDir(dir, func(full string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == stamp {
			return err
		}
		found++
		text, err := os.ReadFile(full)
		if name, _ := filepath.Rel(dir, full); string(text) != files[name] {
			t.Errorf("%s has %q", name, text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if found != len(files) {
		t.Errorf("%s has %d files, not %d", dir, found, len(files))
	}
}
