package object

import (
	"errors"
	"io/fs"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/errname"
	"github.com/gosplice/gosplice/internal/files"
)

// What may be wrong with a file. Errors of [Open], [New] and elfdiff.Compare, and of
// the packages that read other files, wrap one of these, or are those of the
// operating system, such as fs.ErrNotExist and fs.ErrPermission.
var (
	// ErrNotELF is for a file that does not begin as an ELF file does.
	ErrNotELF = elfobj.ErrNotELF
	// ErrMachine is for an ELF file that is not for x86-64. It is an
	// errors.ErrUnsupported.
	ErrMachine = elfobj.ErrMachine
	// ErrTruncated is for a file that ends too early: it is io.ErrUnexpectedEOF.
	ErrTruncated = elfobj.ErrTruncated
	// ErrDamaged is for a file whose content makes no sense; truncated ones are
	// damaged too.
	ErrDamaged = elfobj.ErrDamaged
	// ErrNotRegular is for a folder, a pipe or a device in the place of a file. It is
	// an errors.ErrUnsupported.
	ErrNotRegular = files.ErrNotRegular
	// ErrNotRelocatable is for an ELF file that a linker has finished with: only
	// relocatable objects (.o) can be compared.
	ErrNotRelocatable = errors.New("not a relocatable object")
)

// FormatError says what is wrong with an ELF file, in which section and at which
// offset.
type FormatError = elfobj.FormatError

// NameError makes an error about the content of a file, which has no other name, an
// [ErrDamaged].
func NameError(err error) error {
	for _, known := range []error{ErrNotELF, errors.ErrUnsupported, ErrNotRelocatable} {
		if errors.Is(err, known) {
			return err
		}
	}
	var system *fs.PathError
	if errors.As(err, &system) {
		return err
	}
	return errname.As(err, ErrDamaged)
}
