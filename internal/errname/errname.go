// Package errname gives errors a name that errors.Is finds, without another word in
// their text.
package errname

import "errors"

// New returns a sentinel that is another one too: a kind of a kind.
func New(text string, kind error) error { return &sentinel{text, kind} }

type sentinel struct {
	text string
	kind error
}

func (s *sentinel) Error() string { return s.text }

func (s *sentinel) Is(target error) bool { return errors.Is(s.kind, target) }

// As returns err with the name. A nil err stays nil, and what has the name already
// stays as it is.
func As(err, name error) error {
	if err == nil || errors.Is(err, name) {
		return err
	}
	return &named{err, name}
}

type named struct{ err, name error }

func (n *named) Error() string { return n.err.Error() }

// Unwrap returns both, so that errors.Is and errors.As find what either is.
func (n *named) Unwrap() []error { return []error{n.err, n.name} }
