package elfdiff

import (
	"io"

	"github.com/gosplice/gosplice/elfdiff/internal/places"
	"github.com/gosplice/gosplice/elfdiff/object"
)

// Object is a relocatable object, cut into atoms.
type Object = object.Object

// What may be wrong with a file, see the names in package object.
var (
	ErrNotELF         = object.ErrNotELF
	ErrMachine        = object.ErrMachine
	ErrTruncated      = object.ErrTruncated
	ErrDamaged        = object.ErrDamaged
	ErrNotRegular     = object.ErrNotRegular
	ErrNotRelocatable = object.ErrNotRelocatable
)

// FormatError says what is wrong with an ELF file, in which section and at which
// offset.
type FormatError = object.FormatError

// Open reads the relocatable object at path. Its debug information is read when
// a question needs it, see [object.Object.Close].
func Open(path string) (*Object, error) { return marked(object.Open(path)) }

// NewObject reads a relocatable object (ET_REL for x86-64, gABI chapter 4)
// from r, to its end. The memory it takes is bounded by a small multiple of
// what r yields. An error about what it says is [ErrNotELF], [ErrMachine],
// [ErrDamaged], or, for a program or a library, [ErrNotRelocatable]. A [*FormatError]
// has the place.
func NewObject(r io.ReaderAt) (*Object, error) { return marked(object.New(r)) }

// marked marks the records about places of an object, before anyone shares it.
func marked(o *Object, err error) (*Object, error) {
	if err == nil {
		places.Of(o)
	}
	return o, err
}
