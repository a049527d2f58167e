// Package api reads the exported API of the module's public packages, and what they
// depend on, for the tests that hold both.
package api

import (
	"bufio"
	"bytes"
	"fmt"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"strings"
)

// Module is the path of the module.
const Module = "github.com/gosplice/gosplice"

// A Package is one public package.
type Package struct {
	Path  string // below the module: "splice/process"
	Types *types.Package
	Deps  []string // import paths of all that it depends on, in any depth
}

// listed is a line of go list.
type listed struct{ path, export, name string }

// Load type-checks the public packages of the module, by the export data of the go command.
func Load() ([]Package, error) {
	all, err := list("-deps", "-export", "-f", "{{.ImportPath}}\t{{.Export}}\t{{.Name}}", Module+"/...")
	if err != nil {
		return nil, err
	}
	exports := map[string]string{}
	for _, l := range all {
		exports[l.path] = l.export
	}
	imp := importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	var out []Package
	for _, l := range all {
		if !public(l) {
			continue
		}
		p := Package{Path: strings.TrimPrefix(l.path, Module+"/")}
		if p.Types, err = imp.Import(l.path); err != nil {
			return nil, err
		}
		if p.Deps, err = deps(l.path); err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// public reports whether a package of the module is for importers. The module's root holds
// no code, and examples are programs.
func public(l listed) bool {
	return strings.HasPrefix(l.path, Module+"/") && l.name != "main" && !isInternal(l.path) && !strings.HasPrefix(l.path, Module+"/examples")
}

// isInternal reports whether an import path is that of an internal package.
func isInternal(path string) bool {
	return strings.Contains("/"+path+"/", "/internal/")
}

func deps(path string) ([]string, error) {
	all, err := list("-deps", "-f", "{{.ImportPath}}\t\t", path)
	var out []string
	for _, l := range all {
		if l.path != path {
			out = append(out, l.path)
		}
	}
	return out, err
}

func list(args ...string) ([]listed, error) {
	var stderr bytes.Buffer
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w: %s", err, &stderr)
	}
	var out []listed
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		f := strings.Split(s.Text(), "\t")
		out = append(out, listed{f[0], f[1], f[2]})
	}
	return out, nil
}

// Internal lists the imports of the module's internal packages, but for those that only tests
// and tools use (internal/lab, internal/cli).
func Internal() (map[string][]string, error) {
	all, err := list("-f", "{{.ImportPath}}\t{{join .Imports \" \"}}\t{{.Name}}", Module+"/internal/...")
	out := map[string][]string{}
	for _, l := range all {
		own := strings.TrimPrefix(l.path, Module+"/")
		if !strings.HasPrefix(own, "internal/lab/") && own != "internal/cli" {
			out[own] = strings.Fields(l.export)
		}
	}
	return out, err
}
