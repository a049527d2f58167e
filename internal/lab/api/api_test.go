package api

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// source uses an internal package of Go's own, and types that are not exported.
const source = `package p
import "unique"
type hidden struct{ Shown int }
type Shown struct {
	A map[string]*hidden
	b hidden
	C []unique.Handle[int] ` + "`json:\"c,omitempty\"`" + `
}
func (*Shown) M(f func(hidden), n ...int) (int, error) { return 0, nil }
func F(h hidden, s *Shown) chan hidden { return nil }
type I interface { Do(h hidden); Rest() int }
type Same = hidden
const K = 3
type Kind uint8
const One Kind = 1
var V unique.Handle[hidden]
`

func check(t *testing.T) *types.Package {
	t.Helper()
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, "p.go", source, 0)
	if err != nil {
		t.Fatal(err)
	}
	conf := types.Config{Importer: importer.ForCompiler(fset, "source", nil)}
	p, err := conf.Check("example.org/p", fset, []*ast.File{f}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestUnnameable(t *testing.T) {
	var got []string
	for _, s := range Unnameable(check(t)) {
		got = append(got, strings.Replace(s, "example.org/", "", 1))
	}
	slices.Sort(got)
	want := []string{"F: p.hidden", "F: p.hidden", "I: p.hidden", "Same: p.hidden", "Shown.A: p.hidden", "Shown.M: p.hidden", "V: p.hidden"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestText(t *testing.T) {
	want := []string{
		"const K untyped int = 3",
		"const One Kind = 1",
		"func F(hidden, *Shown) chan hidden",
		"method (*Shown) M(func(hidden), ...int) (int, error)",
		"type I interface { Do, Rest }",
		"type I interface, Do(hidden)",
		"type I interface, Rest() int",
		"type Kind uint8",
		"type Same = hidden",
		"type Shown struct",
		"type Shown struct, A map[string]*hidden",
		"type Shown struct, C []unique.Handle[int] json:c,omitempty",
		"var V unique.Handle[hidden]",
	}
	for i := range want {
		want[i] = "pkg p, " + want[i]
	}
	if diff := cmp.Diff(want, Text("p", check(t))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
