package image

import (
	"context"
	"errors"
	"io/fs"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/errname"
	"github.com/gosplice/gosplice/internal/kallsyms"
	"github.com/gosplice/gosplice/internal/procfs"
)

// What may be wrong with what an image is made from. Errors of functions that open
// one wrap one of these, or those of package elfdiff about files (ErrNotELF,
// ErrMachine, ErrTruncated, ErrDamaged, ErrNotRegular), or are those of the
// operating system, such as fs.ErrNotExist and fs.ErrPermission.
var (
	// ErrNotKernel is for a sound file that is no kernel, or one that nothing can be
	// found in. It is an errors.ErrUnsupported.
	ErrNotKernel = errname.New("not a kernel", errors.ErrUnsupported)
	// ErrOtherBuild is for a file of another build than what runs, by their
	// build-ids.
	ErrOtherBuild = errors.New("of another build")
	// ErrGone is for a process that has ended.
	ErrGone = procfs.ErrGone
)

// nameError makes an error about the content of a file, which has no other name, an
// ErrDamaged of elfdiff.
func nameError(err error) error {
	if errors.Is(err, kallsyms.ErrNotFound) {
		return errname.As(err, ErrNotKernel)
	}
	for _, known := range []error{
		object.ErrNotELF, errors.ErrUnsupported, ErrOtherBuild, ErrGone, ErrNoKernel, ErrHidden,
		fs.ErrPermission, fs.ErrNotExist, context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, known) {
			return err
		}
	}
	var system *fs.PathError
	if errors.As(err, &system) {
		return err
	}
	return errname.As(err, object.ErrDamaged)
}
