package extmod

import (
	"bytes"
	"context"
	"path"
	"regexp"
	"slices"

	"github.com/gosplice/gosplice/internal/ktree"
)

// Dependents returns the objects that the build would make again when files of the folder change,
// by their names: those that are made of one, and those that include one. One of which nobody
// knows what it is made of, since it does not compile alone, is among them.
func (s *Source) Dependents(ctx context.Context, changed []string) ([]ktree.Unit, error) {
	want := map[string]bool{}
	named := false
	for _, name := range changed {
		want[s.inner(name)] = true
		named = named || s.named(name)
	}
	var made map[string][]string
	if named {
		var err error
		if made, err = s.allInputs(ctx); err != nil {
			return nil, err
		}
	}
	var out []ktree.Unit
	for _, u := range s.units {
		list := made[u.Object]
		unknown := named && list == nil
		if want[u.Source] || unknown || slices.ContainsFunc(list, func(name string) bool { return want[name] }) {
			out = append(out, s.outerUnit(u))
		}
	}
	return out, nil
}

// Has reports whether an object would be made again when a file changes.
func (s *Source) Has(ctx context.Context, object, file string) (bool, error) {
	list, err := s.Dependents(ctx, []string{file})
	return slices.ContainsFunc(list, func(u ktree.Unit) bool { return u.Object == object }), err
}

// Wider reports whether more than so many objects are made of some files: there are never many here.
func (s *Source) Wider(_ context.Context, than int, _ ...string) (bool, error) {
	return len(s.units) > than, nil
}

// named reports whether a file of the folder may take in another one: has its name, where no
// Makefile has it.
func (s *Source) named(name string) bool {
	form := regexp.MustCompile(`(?m)^[^\n]*["<][^"<>\n]*\b` + regexp.QuoteMeta(path.Base(name)) + `[">]`)
	for file, text := range s.base {
		if bytes.Contains(text, []byte(path.Base(name))) && file != s.inner(name) && form.Match(text) {
			return true
		}
	}
	return path.Ext(name) != ".c" && path.Ext(name) != ".S" // a command may have it included, or a macro name it
}

// allInputs asks the preprocessor what all objects are made of, once.
func (s *Source) allInputs(ctx context.Context) (map[string][]string, error) {
	s.inputsLock.Lock()
	defer s.inputsLock.Unlock()
	if s.inputs != nil {
		return s.inputs, nil
	}
	lists, err := s.tree.Inputs(ctx, s.units, s.base)
	if err != nil {
		return nil, err
	}
	out := map[string][]string{}
	for i, list := range lists {
		if !slices.Contains(list, ktree.Everything) { // else nobody knows
			out[s.units[i].Object] = list
		}
	}
	s.inputs = out
	return out, nil
}

// UnitsOf returns the objects that are made of some sources, and says of each other one why
// there is none.
func (s *Source) UnitsOf(_ context.Context, _ ktree.Overlay, sources ...string) ([]ktree.Unit, []ktree.Unbuilt, error) {
	var out []ktree.Unit
	var not []ktree.Unbuilt
	for _, name := range sources {
		n := len(out)
		for _, u := range s.units {
			if u.Source == s.inner(name) {
				out = append(out, s.outerUnit(u))
			}
		}
		if n == len(out) {
			not = append(not, ktree.Unbuilt{Source: name, Why: "the Makefile of the folder makes no module of it for this kernel"})
		}
	}
	return out, not, nil
}
