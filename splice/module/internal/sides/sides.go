// Package sides is what the file of an update keeps of the code that it changes: small objects
// with the changed functions, without and with the change. By them one finds out which of the
// two a kernel runs, also one that was built again, or that has not loaded the update. The
// section is not loaded: it stays in the file.
package sides

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/json"
	"fmt"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
)

// schema is the version of the form. Keys may be added to a version.
const schema = 1

// A File is the content of the section.
type File struct {
	Schema  int      `json:"schema"`
	Objects []Object `json:"objects"`
}

// An Object is one object that was compared.
type Object struct {
	Name   string `json:"name"`   // of its source, as the compiler has it: where the object was is no part of an update
	Module string `json:"module"` // that it is part of, "" for the kernel itself
	// Fixes are those among the update's that it belongs to; none means all.
	Fixes []string `json:"fixes,omitempty"`
	Pairs []Pair   `json:"functions"`
	// Other is what changes beside functions: names of constants and variables.
	Other []string `json:"data,omitempty"`
	Pre   []byte   `json:"pre"` // ELF objects
	Post  []byte   `json:"post"`
}

// A Pair is a function by its names in both objects; "" where it is not in one.
type Pair struct {
	Pre  string `json:"pre"`
	Post string `json:"post"`
}

// Of makes both sides of a comparison.
func Of(ctx context.Context, d *elfdiff.Diff, module string, fixes []string) (*Object, error) {
	pre, post, err := elfdiff.Sides(ctx, d)
	if err != nil {
		return nil, fmt.Errorf("%s: both sides of what changes: %w", d.Post.Name(), err)
	}
	o := &Object{Name: sourceOf(d.Post), Module: module, Fixes: fixes}
	var a, b bytes.Buffer
	if _, err := pre.WriteTo(&a); err != nil {
		return nil, err
	}
	if _, err := post.WriteTo(&b); err != nil {
		return nil, err
	}
	o.Pre, o.Post = a.Bytes(), b.Bytes()
	name := func(o *object.Object, id object.AtomID) string {
		if id == object.NoAtom {
			return ""
		}
		return o.Atom(id).Name
	}
	for i := range d.Functions {
		ch := &d.Functions[i]
		if ch.Status == verdict.Same || ch.Post != object.NoAtom && !d.Included(ch.Post) {
			continue
		}
		if p := (Pair{name(d.Pre, ch.Pre), name(d.Post, ch.Post)}); p != (Pair{}) {
			o.Pairs = append(o.Pairs, p)
		}
	}
	for i := range d.Data {
		if ch := &d.Data[i]; ch.Status == verdict.Changed && ch.Name != "" {
			o.Other = append(o.Other, ch.Name)
		}
	}
	return o, nil
}

// sourceOf returns the name of the source that an object says it was compiled from, "" for none.
func sourceOf(o *object.Object) string {
	for _, s := range o.Symbols() {
		if s.Type() == elf.STT_FILE && s.Name != "" {
			return s.Name
		}
	}
	return ""
}

// Bytes returns the content of the section: the same for the same objects.
func Bytes(list []Object) ([]byte, error) { return json.Marshal(File{schema, list}) }

// Parse reads the content of the section.
func Parse(b []byte) ([]Object, error) {
	var f File
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, fmt.Errorf("both sides of what changes: %w", err)
	}
	if f.Schema != schema {
		return nil, fmt.Errorf("both sides of what changes: form %d, and %d is known", f.Schema, schema)
	}
	return f.Objects, nil
}
