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
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/kerneltab"
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
	// Callers are the functions that stay, and call what changes.
	Callers []Caller `json:"callers,omitempty"`
	Pre     []byte   `json:"pre"` // ELF objects
	Post    []byte   `json:"post"`
}

// A Pair is a function by its names in both objects; "" where it is not in one.
type Pair struct {
	Pre  string `json:"pre"`
	Post string `json:"post"`
	// By are the callers by which it takes effect, by their names in pre: nothing redirects calls
	// of the function itself, and all of its callers are replaced.
	By []string `json:"by,omitempty"`
}

// A Caller is a function that calls what changes, and is itself as it was. Another update that
// replaces it may have brought copies of what it calls along, which the compiler made: they stay.
type Caller struct {
	Name  string `json:"name"`
	Calls int    `json:"calls"` // direct ones of what changes, and jumps there
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
		p := Pair{Pre: name(d.Pre, ch.Pre), Post: name(d.Post, ch.Post)}
		if ch.Pre != object.NoAtom && ch.Post != object.NoAtom && d.ByCallers(ch.Post) {
			p.By = usersOf(d.Pre, ch.Pre)
		}
		if p.Pre != "" || p.Post != "" {
			o.Pairs = append(o.Pairs, p)
		}
	}
	o.Callers = callers(d)
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

// usersOf names the functions that refer to one, themselves or from a cold part.
func usersOf(o *object.Object, id object.AtomID) (list []string) {
	for _, u := range o.Users(id) {
		root := o.Atom(u).Root()
		if a := o.Atom(root); a.Kind == object.Func && root != id && !slices.Contains(list, a.Name) {
			list = append(list, a.Name)
		}
	}
	return list
}

// callers lists the functions of pre that stay, and call what does not.
func callers(d *elfdiff.Diff) (list []Caller) {
	changed := map[object.AtomID]bool{}
	for i := range d.Functions {
		if ch := &d.Functions[i]; ch.Status == verdict.Changed && ch.Pre != object.NoAtom {
			changed[ch.Pre] = true
		}
	}
	calls := map[object.AtomID]int{} // by function, in the order of atoms
	for i := range d.Pre.Atoms {
		a := &d.Pre.Atoms[i]
		whole := a.Root() // of a cold part its function
		for k := range a.Refs {
			if r := &a.Refs[k]; object.IsCall(a, r) && r.Target != whole && changed[r.Target] && !changed[whole] {
				calls[whole]++
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(calls)) {
		if name := d.Pre.Atom(id).Name; name != "" {
			list = append(list, Caller{name, calls[id]})
		}
	}
	return list
}

// ErrNone says that a module does not hold the code that it changes.
var ErrNone = errors.New("the module does not hold the code that it changes")

// Read returns what the file of an update keeps. The error is [ErrNone], or says what is damaged.
func Read(module []byte) ([]Object, error) {
	f, err := elfobj.Parse(module)
	if err != nil {
		return nil, err
	}
	for x := range f.SectionsNamed(kerneltab.UpdateSides) {
		data, err := x.Data()
		if err != nil {
			return nil, err
		}
		return Parse(data)
	}
	return nil, ErrNone
}
