//go:build linux && amd64

package ptrace

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/gosplice/gosplice/internal/procfs"
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

// MmapWith is [Session.Mmap] of memory that has a content from the first moment on:
// if the tracer dies in between, the memory is unmapped again, where the thread's
// seccomp filters and its stack permit that.
func (s *Session) MmapWith(ctx context.Context, addr, length uint64, prot int, content []byte) error {
	const flags = unix.MAP_PRIVATE | unix.MAP_ANONYMOUS | unix.MAP_FIXED_NOREPLACE
	what := &sysCall{nr: unix.SYS_MMAP, args: arguments([]uint64{addr, length, uint64(prot), flags, ^uint64(0), 0})}
	undo := &sysCall{nr: unix.SYS_MUNMAP, args: arguments([]uint64{addr, length})}
	err := s.do(func(t *tracer) error {
		t.space = nil // by what was mapped for us in this stop, too
		maps, err := t.maps()
		if err != nil {
			return err
		}
		if slices.ContainsFunc(maps, func(m procfs.Mapping) bool { return m.Start < addr+length && addr < m.End }) {
			return syscall.EEXIST // undo must not unmap what others have there
		}
		var unwritten error
		_, err = t.guardedCall(ctx, what, undo, func() error {
			_, unwritten = t.write(content, addr)
			return unwritten
		})
		if unwritten != nil {
			_, failed := t.syscall(context.WithoutCancel(ctx), unix.SYS_MUNMAP, []uint64{addr, length})
			return errors.Join(err, failed)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("mmap %d bytes at %#x: %w", length, addr, err)
	}
	return nil
}

// MmapOver maps private anonymous memory in place of what is mapped there.
func (s *Session) MmapOver(ctx context.Context, addr, length uint64, prot int) error {
	const flags = unix.MAP_PRIVATE | unix.MAP_ANONYMOUS | unix.MAP_FIXED
	if _, err := s.Syscall(ctx, unix.SYS_MMAP, addr, length, uint64(prot), flags, ^uint64(0), 0); err != nil {
		return fmt.Errorf("mmap %d bytes at %#x: %w", length, addr, err)
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

// Maps returns the mappings of the stopped process, which to read takes as long as to stop
// many threads. They are read once in a stop, so that memory which was mapped or unmapped in it by
// Mmap and Munmap is missing, or still there.
func (s *Session) Maps() (list []procfs.Mapping, err error) {
	err = s.do(func(t *tracer) error {
		if err := t.halted(); err != nil {
			return err
		}
		list, err = t.maps()
		return err
	})
	return list, err
}

// maps is Session.Maps. What a call of ours maps or unmaps is no stack, nor a guard of one.
func (t *tracer) maps() (list []procfs.Mapping, err error) {
	if t.space == nil {
		t.space, err = procfs.Maps(t.id.PID)
	}
	return t.space, err
}
