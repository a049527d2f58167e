package testenv

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// A RefusalCall is a place in a package's source that refuses something.
type RefusalCall struct {
	Place   string // file and line
	Code    string // the value of the code's constant, "" when it is no constant
	Message string // its format
}

// RefusalCalls finds the calls of functions called refuse or Refuse in the sources of
// some folders, tests left out: their first argument is a constant that one of the
// folders defines, and their fifth a format.
func RefusalCalls(t testing.TB, dirs ...string) []RefusalCall {
	t.Helper()
	fset := token.NewFileSet()
	var files []*ast.File
	for _, dir := range dirs {
		files = append(files, parseFolder(t, fset, dir)...)
	}
	values := map[string]string{}
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			if v, ok := n.(*ast.ValueSpec); ok {
				for i := range min(len(v.Names), len(v.Values)) {
					values[v.Names[i].Name] = text(v.Values[i])
				}
			}
			return true
		})
	}
	var calls []RefusalCall
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			if c, ok := n.(*ast.CallExpr); ok && len(c.Args) >= 5 && strings.EqualFold(name(c.Fun), "refuse") {
				p := fset.Position(c.Pos())
				calls = append(calls, RefusalCall{p.String(), values[name(c.Args[0])], text(c.Args[4])})
			}
			return true
		})
	}
	return calls
}

func parseFolder(t testing.TB, fset *token.FileSet, dir string) (files []*ast.File) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parser.ParseFile(fset, path, b, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}

// name returns the last part of a name: b of a.b.
func name(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// text returns the value of a string literal.
func text(e ast.Expr) string {
	if l, ok := e.(*ast.BasicLit); ok && l.Kind == token.STRING {
		s, _ := strconv.Unquote(l.Value)
		return s
	}
	return ""
}
