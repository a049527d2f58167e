package reloc

import (
	"context"
	"errors"
	"log/slog"

	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/reloc/image"
)

// Options directs Match. The zero value matches against everything in the
// image, with all the symbols it has.
type Options struct {
	// Module restricts candidates to one module, by its name or path; empty
	// means any. An object that is linked into several modules (a static
	// library) needs it.
	Module string
	// NoSymbols pretends that the image has no symbols, so that every function
	// has to be found by its bytes.
	NoSymbols bool
	// Logger, when set, is told at level Debug what decides about each
	// function.
	Logger *slog.Logger
	// Progress, when set, is told by [MatchAll] when a stage begins, and whenever
	// an object of it is done. The stages are "match", and "match again" with those
	// that are undecided, as often as that decides something. Calls do not overlap.
	Progress func(stage string, done, total int)
}

// Match finds pre in run. It fails with an error that is [finding.ErrRefused] when
// pre holds intermediate code of a compiler instead of machine code, or its symbols
// were stripped. An object without code has no functions to be found; see
// [Result.AllMatched].
func Match(ctx context.Context, pre *object.Object, img *image.Image, opt Options) (*Result, error) {
	if pre == nil || pre.File == nil || img == nil {
		return nil, errors.New("match: no object is given, or no image")
	}
	m, err := newSolver(ctx, pre, img, opt)
	if err != nil {
		return nil, err
	}
	return m.run()
}

// missing refuses objects that have nothing to match. Of a set, some may have no
// code.
func missing(pre *object.Object) error {
	err := pre.Missing()
	if errors.Is(err, finding.CodeNoCode) {
		return nil
	}
	return err
}
