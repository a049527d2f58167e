//go:build linux && amd64

package process

import (
	"context"
	"errors"
	"fmt"

	"github.com/gosplice/gosplice/internal/procfs"
	"github.com/gosplice/gosplice/internal/ptrace"
)

// isProgram refuses what is no process that runs a 64-bit program of its own, before it is opened: what ended,
// and threads of the kernel, have no memory. That one may not look at it is said when it is.
func isProgram(pid int) error {
	err := ptrace.Inspect(pid)
	if errors.Is(err, ptrace.Permission) {
		return nil
	}
	return err
}

// seize attaches to the process that was identified before anything of it was
// read. When that has ended, and another one has its ID now, the error wraps
// [ErrGone]: what was read says nothing about the other.
func seize(ctx context.Context, id procfs.ID, opt *Options) (*ptrace.Session, error) {
	return seizeWith(ctx, id, ptrace.Options{StopTimeout: opt.StopTimeout})
}

func seizeWith(ctx context.Context, id procfs.ID, opt ptrace.Options) (*ptrace.Session, error) {
	s, err := ptrace.Seize(ctx, id.PID, opt)
	if err != nil {
		return nil, err
	}
	if now := s.ID(); now != id {
		s.Detach()
		return nil, fmt.Errorf("%v, not %v: %w", now, id, procfs.ErrRecycled)
	}
	return s, nil
}
