package fixes

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/module/internal/sides"
)

// A Source has fixes, with the code of what they change.
type Source struct {
	Name  string   // of the update, for people
	ID    string   // of the update, "" for a pair of objects
	Fixes []string // such as CVE numbers

	objects []side
}

// side is what one object has of functions without and with the change.
type side struct {
	sides.Object
	pre, post *object.Object
}

// ErrNoSides says that a module does not hold the code that it changes, without and with the
// change: it was made before v0.2, or by others.
var ErrNoSides = sides.ErrNone

// Of returns the fixes of an update. The error is [ErrNoSides], or says what is damaged.
func Of(m *module.Module) (*Source, error) {
	if m == nil {
		return nil, errors.New("fixes of a module: none is given")
	}
	s, err := read(m)
	if err != nil {
		return nil, fmt.Errorf("fixes of %s: %w", m.Name, err)
	}
	return s, nil
}

func read(m *module.Module) (*Source, error) {
	list, err := sides.Read(m.Bytes())
	if err != nil {
		return nil, err
	}
	s := &Source{Name: m.Name, ID: m.ID}
	if m.Origin != nil {
		s.Fixes = m.Origin.Fixes
	}
	for i := range list {
		if err := s.add(&list[i]); err != nil {
			return nil, fmt.Errorf("%s: %w", list[i].Name, err)
		}
	}
	return s, nil
}

// OfPair returns fixes that are the difference of two objects, of the kernel itself or of a module
// of it.
func OfPair(ctx context.Context, name string, list []string, pre, post *object.Object, target string) (*Source, error) {
	s := &Source{Name: name, Fixes: list}
	d, err := elfdiff.CompareContext(ctx, pre, post, elfdiff.Options{Tables: true})
	if err == nil {
		var o *sides.Object
		if o, err = sides.Of(ctx, d, target, nil); err == nil {
			err = s.add(o)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("fixes of %s: %w", name, err)
	}
	return s, nil
}

// add opens the objects.
func (s *Source) add(o *sides.Object) error {
	x := side{Object: *o}
	for _, one := range []struct {
		from []byte
		to   **object.Object
	}{{o.Pre, &x.pre}, {o.Post, &x.post}} {
		var err error
		if *one.to, err = elfdiff.NewObject(bytes.NewReader(one.from)); err != nil {
			return err
		}
	}
	s.objects = append(s.objects, x)
	return nil
}

// belongs reports whether an object is part of a fix, and whether it is of no other.
func (s *Source) belongs(o *side, fix string) (part, alone bool) {
	list := o.Fixes
	if len(list) == 0 {
		list = s.Fixes
	}
	for _, x := range list {
		part = part || x == fix
	}
	return part, part && len(list) == 1
}
