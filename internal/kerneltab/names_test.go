package kerneltab_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/kerneltab"
)

// ownNames are names of sections that have a row by their beginning, and are known where
// they are sorted or written.
var ownNames = map[string]bool{
	".text.exit":     true, // how compilers sort functions: see reloc
	".text.hot":      true,
	".text.startup":  true,
	".text.unlikely": true,
	".text..":        true,
	".text.":         true,
	".symtab":        true, // what an ELF file consists of: see elfobj
	".strtab":        true,
	".symtab_shndx":  true,
}

// TestNamesStandOnce holds the code of this module to naming each section of the table,
// and each symbol around one, in one place, which is the table.
func TestNamesStandOnce(t *testing.T) {
	count := map[string][]string{} // by name: the places
	symbols := map[string]bool{}
	for s := range kerneltab.All() {
		for _, name := range []string{s.Bounds.Start, s.Bounds.Stop} {
			if name != "" {
				symbols[name] = true
			}
		}
	}
	literals(t, func(text, at string) {
		name := strings.TrimSuffix(text, "*")
		if ownNames[name] {
			return
		}
		if s := kerneltab.Of(name); symbols[name] || s != nil && !strings.ContainsAny(name, " :%\n") {
			count[name] = append(count[name], at)
		}
	})
	for name, places := range count {
		if len(places) > 1 || !strings.HasPrefix(places[0], "internal/kerneltab/") {
			t.Errorf("%s is named in %d places, and should be in the table alone: %s", name, len(places), strings.Join(places, ", "))
		}
	}
	for s := range kerneltab.All() {
		if len(count[s.Name]) == 0 && !ownNames[s.Name] {
			t.Errorf("%s is a row, and its name was not found in the code", s.Name)
		}
	}
}

// literals calls fn for each string literal of the module's code, tests aside, with its
// place.
func literals(t *testing.T, fn func(text, at string)) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	set := token.NewFileSet()
	files := 0
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{"testdata", ".git"}, d.Name()):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(set, path, b, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		files++
		name := filepath.ToSlash(strings.TrimPrefix(path, root+string(filepath.Separator)))
		ast.Inspect(f, func(n ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
				if text, err := strconv.Unquote(l.Value); err == nil {
					fn(text, name+":"+strconv.Itoa(set.Position(l.Pos()).Line))
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 100 {
		t.Fatalf("%d files are not all of the module", files)
	}
}
