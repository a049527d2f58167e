//go:build !unix

package deb

import (
	"errors"
	"os"
)

// tryLock needs locks that end with their process.
func tryLock(*os.File) (locked bool, err error) { return false, errors.ErrUnsupported }
