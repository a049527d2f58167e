//go:build linux && amd64

package ptrace

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// Mmap maps private anonymous memory at exactly addr in the stopped process.
// prot is a set of unix.PROT_*. Addresses and lengths are multiples of the page
// size. When something is mapped there already, the error is [syscall.EEXIST]
// and nothing is changed.
func (s *Session) Mmap(ctx context.Context, addr, length uint64, prot int) error {
	const flags = unix.MAP_PRIVATE | unix.MAP_ANONYMOUS | unix.MAP_FIXED_NOREPLACE
	got, err := s.Syscall(ctx, unix.SYS_MMAP, addr, length, uint64(prot), flags, ^uint64(0), 0)
	if err != nil {
		return fmt.Errorf("mmap %d bytes at %#x: %w", length, addr, err)
	}
	if got != addr { // before Linux 4.17 the address is but a hint
		err := fmt.Errorf("mmap %d bytes at %#x: %w", length, addr, syscall.EEXIST)
		return errors.Join(err, s.Munmap(ctx, got, length))
	}
	return nil
}

// Munmap unmaps memory of the stopped process.
func (s *Session) Munmap(ctx context.Context, addr, length uint64) error {
	if _, err := s.Syscall(ctx, unix.SYS_MUNMAP, addr, length); err != nil {
		return fmt.Errorf("munmap %d bytes at %#x: %w", length, addr, err)
	}
	return nil
}

// Mprotect changes the protection of memory of the stopped process.
func (s *Session) Mprotect(ctx context.Context, addr, length uint64, prot int) error {
	if _, err := s.Syscall(ctx, unix.SYS_MPROTECT, addr, length, uint64(prot)); err != nil {
		return fmt.Errorf("mprotect %d bytes at %#x to %#x: %w", length, addr, prot, err)
	}
	return nil
}
