package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A unit is a package as go list tells it, or a variant of one with its tests.
type unit struct {
	ImportPath string // with " [p.test]" behind it where it is a variant
	Dir        string
	GoFiles    []string
	ImportMap  map[string]string
	Standard   bool
	Module     *struct{ Main bool }
}

// own reports whether the module has the package.
func (u unit) own() bool { return !u.Standard && u.Module != nil && u.Module.Main }

// Check type-checks every package of the module and its tests as the go command would
// build them on a platform, such as "windows/amd64". Of what they depend on it reads
// the declarations only, and it compiles nothing: what a cold go vet takes minutes for.
func Check(platform string) error {
	goos, goarch, ok := strings.Cut(platform, "/")
	if !ok {
		return fmt.Errorf("platform %q is no GOOS/GOARCH", platform)
	}
	cmd := exec.Command("go", "list", "-deps", "-test", "-json=ImportPath,Dir,GoFiles,ImportMap,Standard,Module", Module+"/...")
	cmd.Env = append(os.Environ(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("go list for %s: %w", platform, err)
	}
	c := platformChecker{fset: token.NewFileSet(), sizes: types.SizesFor("gc", goarch), done: map[string]*types.Package{"unsafe": types.Unsafe}}
	if c.sizes == nil {
		return fmt.Errorf("platform %q: no sizes of its types are known", platform)
	}
	// A package stands behind those that it imports.
	for d := json.NewDecoder(strings.NewReader(string(text))); ; {
		var u unit
		if err := d.Decode(&u); errors.Is(err, io.EOF) {
			return errors.Join(c.wrong...)
		} else if err != nil {
			return fmt.Errorf("go list for %s: %w", platform, err)
		}
		c.check(u)
	}
}

// A platformChecker has what is type-checked for one platform.
type platformChecker struct {
	fset  *token.FileSet
	sizes types.Sizes
	done  map[string]*types.Package
	wrong []error
}

func (c *platformChecker) check(u unit) {
	if u.ImportPath == "unsafe" || strings.HasSuffix(u.ImportPath, ".test") {
		return // the latter is the main package of a test, which the go command writes
	}
	var files []*ast.File
	for _, name := range u.GoFiles {
		f, err := parser.ParseFile(c.fset, filepath.Join(u.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			c.wrong = append(c.wrong, err)
			continue
		}
		files = append(files, f)
	}
	conf := types.Config{
		Importer:         importFunc(func(path string) (*types.Package, error) { return c.imported(u, path) }),
		Sizes:            c.sizes,
		IgnoreFuncBodies: !u.own(),
		FakeImportC:      true,
		Error: func(err error) {
			if u.own() {
				c.wrong = append(c.wrong, err)
			}
		},
	}
	path, _, _ := strings.Cut(u.ImportPath, " ")
	c.done[u.ImportPath], _ = conf.Check(path, c.fset, files, nil) // conf.Error has its errors
}

func (c *platformChecker) imported(u unit, path string) (*types.Package, error) {
	if mapped, ok := u.ImportMap[path]; ok {
		path = mapped
	}
	if p := c.done[path]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("go list names no package %s", path)
}

type importFunc func(path string) (*types.Package, error)

func (f importFunc) Import(path string) (*types.Package, error) { return f(path) }
