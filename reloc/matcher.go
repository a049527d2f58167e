package reloc

import (
	"context"
	"errors"

	"github.com/gosplice/gosplice/elfdiff"
)

type matcher struct{}

func newMatcher(ctx context.Context, pre *elfdiff.Object, img *Image, opt Options) (*matcher, error) {
	return nil, errors.New("not yet")
}
func (m *matcher) run() (*Result, error) { return nil, nil }
