//go:build !linux

package image

import (
	"errors"
	"fmt"
)

// OpenProcess needs Linux; elsewhere it returns an error that wraps
// errors.ErrUnsupported.
func OpenProcess(pid int) (*Image, error) {
	return nil, fmt.Errorf("process %d: %w", pid, errors.ErrUnsupported)
}

// ProcessModules needs Linux; elsewhere it returns an error that wraps
// errors.ErrUnsupported.
func ProcessModules(pid int) ([]Module, error) {
	return nil, fmt.Errorf("process %d: %w", pid, errors.ErrUnsupported)
}
