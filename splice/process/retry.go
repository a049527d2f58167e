//go:build linux && amd64

package process

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/gosplice/gosplice/internal/ptrace"
	"github.com/gosplice/gosplice/splice"
)

// retry calls try until no thread blocks it, and all threads stop in time.
func retry(ctx context.Context, opt *Options, attempts *int, try func() ([]Blocker, error)) error {
	wait := opt.Backoff
	for {
		*attempts++
		blockers, err := try()
		if err == nil && len(blockers) == 0 || err != nil && !passes(err) {
			return err
		}
		opt.Logger.Debug("busy", "attempt", *attempts, "blockers", blockers, "error", err)
		if *attempts >= opt.Attempts {
			return busy(*attempts, blockers, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		wait = min(2*wait, time.Second)
	}
}

// within is try on the thread of a session: see [ptrace.Session.Within].
func within(s *ptrace.Session, try func() ([]Blocker, error)) func() ([]Blocker, error) {
	return func() (blockers []Blocker, err error) {
		ended := s.Within(func() error { blockers, err = try(); return nil })
		return blockers, errors.Join(err, ended)
	}
}

// passes reports whether an error may be gone at the next try: threads that did
// not stop in time, or of which none could make a system call, or another process
// in the memory.
func passes(err error) bool {
	var late *ptrace.TimeoutError
	return errors.As(err, &late) || errors.Is(err, ptrace.NoThread) || errors.Is(err, CodeSharedMemory)
}

// busy says what stood in the way at the last attempt.
func busy(attempts int, blockers []Blocker, err error) error {
	if errors.Is(err, CodeSharedMemory) {
		return err
	}
	if len(blockers) == 0 {
		r := splice.Refuse(splice.CodeBusy, "", "", 0, "after %d attempts", attempts)
		r.Err = err
		if errors.Is(err, ptrace.NoThread) {
			r.Hint = "try again when another of its threads waits in a system call on an ordinary stack, or restart the program with the fix"
		}
		return r
	}
	r := splice.Refuse(splice.CodeBusy, blockers[0].Function, "", blockers[0].Addr, "after %d attempts", attempts)
	if !slices.ContainsFunc(blockers, func(b Blocker) bool { return b.Frame >= 0 }) {
		r.Hint = "these stacks can't be unwound, and what an earlier call left there looks like a return address: try again once the " +
			"program has done other work, or have it started with the update (hotpatch follow)"
	}
	return &BusyError{Refusal: r, Blockers: blockers}
}
