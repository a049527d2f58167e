package api

import (
	"fmt"
	"go/types"
	"reflect"
	"slices"
	"strings"
)

// Text returns the exported declarations of a package, one a line and sorted, in the form
// of the files in the folder api of Go's own tree. Constants have their values and fields
// their keys in JSON, which are as much of a promise as their names.
func Text(path string, p *types.Package) []string {
	w := &writer{pkg: p, prefix: "pkg " + path + ", "}
	for _, name := range p.Scope().Names() {
		if obj := p.Scope().Lookup(name); obj.Exported() {
			w.object(obj)
		}
	}
	slices.Sort(w.lines)
	return w.lines
}

type writer struct {
	pkg    *types.Package
	prefix string
	lines  []string
}

func (w *writer) line(format string, args ...any) {
	w.lines = append(w.lines, w.prefix+fmt.Sprintf(format, args...))
}

// text is a type, with names of other packages qualified by the name of the package.
func (w *writer) text(t types.Type) string {
	return types.TypeString(t, func(p *types.Package) string {
		if p == w.pkg {
			return ""
		}
		return p.Name()
	})
}

// signature is the type of a function without the names of parameters.
func (w *writer) signature(s *types.Signature) string {
	bare := types.NewSignatureType(nil, nil, nil, unnamed(s.Params()), unnamed(s.Results()), s.Variadic())
	return strings.TrimPrefix(w.text(bare), "func")
}

func unnamed(t *types.Tuple) *types.Tuple {
	var list []*types.Var
	for v := range t.Variables() {
		list = append(list, types.NewParam(v.Pos(), v.Pkg(), "", v.Type()))
	}
	return types.NewTuple(list...)
}

func (w *writer) object(obj types.Object) {
	switch obj := obj.(type) {
	case *types.Const:
		w.line("const %s %s = %s", obj.Name(), w.text(obj.Type()), obj.Val().ExactString())
	case *types.Var:
		w.line("var %s %s", obj.Name(), w.text(obj.Type()))
	case *types.Func:
		w.line("func %s%s", obj.Name(), w.signature(obj.Signature()))
	case *types.TypeName:
		w.typeName(obj)
	}
}

func (w *writer) typeName(obj *types.TypeName) {
	if a, ok := obj.Type().(*types.Alias); ok {
		w.line("type %s = %s", obj.Name(), w.text(a.Rhs()))
		return
	}
	named := obj.Type().(*types.Named)
	switch u := named.Underlying().(type) {
	case *types.Struct:
		w.structure(obj.Name(), u)
	case *types.Interface:
		w.iface(obj.Name(), u)
	default:
		w.line("type %s %s", obj.Name(), w.text(u))
	}
	for m := range named.Methods() {
		if m.Exported() {
			w.line("method (%s) %s%s", w.text(m.Signature().Recv().Type()), m.Name(), w.signature(m.Signature()))
		}
	}
}

func (w *writer) structure(name string, s *types.Struct) {
	w.line("type %s struct", name)
	for i := range s.NumFields() {
		f := s.Field(i)
		if !f.Exported() {
			continue
		}
		key, embedded := "", ""
		if tag, ok := reflect.StructTag(s.Tag(i)).Lookup("json"); ok {
			key = " json:" + tag
		}
		if f.Embedded() {
			embedded = "embedded "
		}
		w.line("type %s struct, %s%s %s%s", name, embedded, f.Name(), w.text(f.Type()), key)
	}
}

func (w *writer) iface(name string, t *types.Interface) {
	var names []string
	for m := range t.Methods() {
		names = append(names, m.Name())
		w.line("type %s interface, %s%s", name, m.Name(), w.signature(m.Signature()))
	}
	w.line("type %s interface { %s }", name, strings.Join(names, ", "))
}
