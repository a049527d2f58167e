//go:build !linux

package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
)

// socketPair needs the system that the victim was compiled for.
func socketPair() (ours, theirs *os.File, err error) {
	return nil, nil, fmt.Errorf("the victim on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}
