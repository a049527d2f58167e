//go:build !linux

package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
)

// owner knows nothing of owners here, so that nothing is trusted.
func owner(fs.FileInfo) (uid int, links uint64) { return -2, 0 }

func (f *folder) lock(context.Context, bool) (func(), error) {
	return nil, fmt.Errorf("a store is for Linux: %w", errors.ErrUnsupported)
}
