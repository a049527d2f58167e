//go:build linux && amd64

package process

import (
	"context"
	"fmt"

	"github.com/gosplice/gosplice/internal/procfs"
	"github.com/gosplice/gosplice/internal/ptrace"
)

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
