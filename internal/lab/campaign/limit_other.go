//go:build !linux

package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
)

// limitAddressSpace needs Linux, where this is measured.
func limitAddressSpace(uint64) error {
	return fmt.Errorf("a limit of the address space on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

// peakMemory does not know it: no process gets so far here.
func peakMemory(*os.ProcessState) uint64 { return 0 }
