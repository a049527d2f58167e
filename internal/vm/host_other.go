//go:build !linux

package vm

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"syscall"
)

// Machines are started on Linux only: what hands files and the port to the
// emulator is the system's own.

func dieWithParent() *syscall.SysProcAttr { return nil }

func memFile(string, []byte) (*os.File, error) {
	return nil, fmt.Errorf("machines on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

func socketPair() (net.Conn, *os.File, error) {
	return nil, nil, fmt.Errorf("machines on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}
