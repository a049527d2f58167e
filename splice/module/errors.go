package module

import (
	"errors"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/errname"
	"github.com/gosplice/gosplice/internal/kernel"
	"github.com/gosplice/gosplice/reloc/image"
)

// Errors that errors.Is finds in what this package returns, beside the codes of
// refusals, and those that package elfdiff has for files.
var (
	// ErrNotKernel is for an image that lacks what a kernel has: symbols, BTF, a
	// version.
	ErrNotKernel = image.ErrNotKernel
	// ErrNotModule is for a file that is no module of a kernel.
	ErrNotModule = errname.New("not a module of a kernel", errors.ErrUnsupported)
	// ErrSymvers is for a text that is no Module.symvers.
	ErrSymvers = kernel.ErrSymvers
	// ErrOtherBuild is for a module of another build than the kernel's: it is
	// [CodeOtherBuild].
	ErrOtherBuild error = CodeOtherBuild
)

// nameError gives an error about the parts of an image a name, if it has none.
func nameError(err, name error) error {
	var part *kernel.Error
	switch {
	case err == nil, errors.Is(err, elfdiff.ErrRefused), errors.Is(err, object.ErrDamaged), errors.Is(err, errors.ErrUnsupported), !errors.As(err, &part):
		return err
	}
	return errname.As(err, name)
}
