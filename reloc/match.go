package reloc

import (
	"context"
	"log/slog"

	"github.com/gosplice/gosplice/elfdiff"
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
}

// Match finds pre in run.
func Match(ctx context.Context, pre *elfdiff.Object, img *Image, opt Options) (*Result, error) {
	m, err := newMatcher(ctx, pre, img, opt)
	if err != nil {
		return nil, err
	}
	return m.run()
}
