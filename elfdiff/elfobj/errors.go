package elfobj

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/gosplice/gosplice/internal/errname"
	"github.com/gosplice/gosplice/internal/visible"
)

// ErrNotELF is wrapped by the error of [Parse], [NewFile] and [Open] for input
// that does not begin with the ELF magic number.
var ErrNotELF = errors.New("not an ELF file")

// ErrTruncated is wrapped by errors for files that end too early.
var ErrTruncated = io.ErrUnexpectedEOF

// ErrMachine is wrapped by the error for ELF files that are not for x86-64: of
// another class, byte order, machine, version or type. It is an
// [errors.ErrUnsupported] too.
var ErrMachine = errname.New("not ELF64 for x86-64", errors.ErrUnsupported)

// ErrDamaged is what every [*FormatError] is, but for those that are [ErrNotELF] or
// [ErrMachine], which may be sound files of another kind.
var ErrDamaged = errors.New("damaged ELF file")

// FormatError says what is wrong with a file, and where. Every error about the
// content of a file is or wraps one.
//
// Files that are sound but of a kind that this package doesn't read have an Err
// that is [errors.ErrUnsupported], [ErrMachine] or [ErrNotELF]; all others are
// [ErrDamaged]. Files that end too early have an Err that is [ErrTruncated].
type FormatError struct {
	File    string // as given to Open; empty otherwise
	Section string // name, or "#" and the index when it has no name; empty outside of sections
	Offset  uint64 // of the wrong field, in bytes from the start of the file
	Msg     string
	Err     error // cause, may be nil
}

func (e *FormatError) Error() string {
	var b strings.Builder
	if e.File != "" {
		fmt.Fprintf(&b, "%s: ", e.File)
	}
	if e.Section != "" {
		fmt.Fprintf(&b, "section %s: ", e.Section)
	}
	fmt.Fprintf(&b, "offset %#x: %s", e.Offset, e.Msg)
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	return visible.Text(b.String())
}

// Unwrap returns the cause.
func (e *FormatError) Unwrap() error { return e.Err }

// Is makes the error an [ErrDamaged] unless the file may be sound.
func (e *FormatError) Is(target error) bool {
	return target == ErrDamaged && !errors.Is(e.Err, ErrNotELF) && !errors.Is(e.Err, errors.ErrUnsupported)
}

// fail makes the error for the field at the file offset off. The section may
// be nil.
func (f *File) fail(s *Section, off uint64, format string, args ...any) error {
	return f.wrap(nil, s, off, format, args...)
}

// wrap is fail with a cause.
func (f *File) wrap(err error, s *Section, off uint64, format string, args ...any) error {
	e := &FormatError{File: f.Name, Offset: off, Msg: fmt.Sprintf(format, args...), Err: err}
	if s != nil {
		e.Section = s.label()
	}
	return e
}

// errNoFile is for a section that is of no file.
var errNoFile error = &FormatError{Msg: "the section is of no file that was opened"}

// SpecError says why a [Spec] or a [Builder] can't be written.
type SpecError struct {
	Section string // name, or "#" and the index; empty when it is not about a section
	Symbol  string // name, or "#" and the index; empty when it is not about a symbol
	Msg     string
}

func (e *SpecError) Error() string {
	var b strings.Builder
	b.WriteString("write object: ")
	if e.Section != "" {
		fmt.Fprintf(&b, "section %s: ", e.Section)
	}
	if e.Symbol != "" {
		fmt.Fprintf(&b, "symbol %s: ", e.Symbol)
	}
	b.WriteString(e.Msg)
	return b.String()
}
