package api

import (
	"fmt"
	"go/types"
)

// Unnameable lists the exported declarations of a package that an importer can't name all
// of: those with a type of an internal package in them, or with one that is not exported.
func Unnameable(p *types.Package) []string {
	c := &checker{pkg: p}
	for _, name := range p.Scope().Names() {
		if obj := p.Scope().Lookup(name); obj.Exported() {
			c.object(obj)
		}
	}
	return c.found
}

// checker walks the declarations of a package. at is the one that it is in.
type checker struct {
	pkg   *types.Package
	at    string
	found []string
}

func (c *checker) object(obj types.Object) {
	c.at = obj.Name()
	t, ok := obj.(*types.TypeName)
	if !ok {
		c.visit(obj.Type())
		return
	}
	if a, ok := t.Type().(*types.Alias); ok {
		c.visit(a.Rhs())
		return
	}
	named := t.Type().(*types.Named)
	c.structure(named.Underlying())
	for m := range named.Methods() {
		if m.Exported() {
			c.at = obj.Name() + "." + m.Name()
			c.visit(m.Type())
		}
	}
}

// visit looks at a type where it is used: a named one is known by its name.
func (c *checker) visit(t types.Type) {
	switch t := t.(type) {
	case *types.Alias:
		c.name(t.Obj(), t.TypeArgs())
	case *types.Named:
		c.name(t.Obj(), t.TypeArgs())
	default:
		c.structure(t)
	}
}

func (c *checker) name(obj *types.TypeName, args *types.TypeList) {
	if p := obj.Pkg(); p != nil && (isInternal(p.Path()) || !obj.Exported()) {
		c.found = append(c.found, fmt.Sprintf("%s: %s.%s", c.at, p.Path(), obj.Name()))
	}
	for t := range args.Types() {
		c.visit(t)
	}
}

func (c *checker) structure(t types.Type) {
	switch t := t.(type) {
	case *types.Struct:
		c.fields(t)
	case *types.Interface:
		for m := range t.Methods() {
			c.visit(m.Type())
		}
	case *types.Signature:
		c.tuple(t.Params())
		c.tuple(t.Results())
	case *types.Map:
		c.visit(t.Key())
		c.visit(t.Elem())
	case interface{ Elem() types.Type }: // pointers, slices, arrays, channels
		c.visit(t.Elem())
	}
}

func (c *checker) fields(t *types.Struct) {
	at := c.at
	for f := range t.Fields() {
		if f.Exported() {
			c.at = at + "." + f.Name()
			c.visit(f.Type())
		}
	}
	c.at = at
}

func (c *checker) tuple(t *types.Tuple) {
	for v := range t.Variables() {
		c.visit(v.Type())
	}
}
