//go:build linux && amd64

package machine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/process"
)

// Status lists the updates that the selected processes hold, whoever applied them: processes
// without any are not in the report.
func Status(ctx context.Context, opt Options) (*Report, error) {
	r, err := newRun("status", nil, &opt)
	if err == nil {
		r.treat = func(_ context.Context, p *seen) Process {
			out := p.process(Holds, "")
			out.Updates = p.updates
			return out
		}
		err = r.once(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("status: %w", err)
	}
	return r.report(), nil
}

// Revert takes an update back from all selected processes that hold it, by its ID or at least 8
// characters of it, and looks at all processes again until it finds nobody else. Where memory
// of the update stays, for what process.Revert says, the old code runs all the same, and Why
// has the reason.
//
// With Options.Process.DryRun nothing is stopped or changed.
func Revert(ctx context.Context, id string, opt Options) (*Report, error) {
	if len(id) < minID {
		return nil, fmt.Errorf("revert %q: give the ID of the update, or at least %d characters of it", id, minID)
	}
	r, err := newRun("revert", nil, &opt)
	if err != nil {
		return nil, fmt.Errorf("revert %s: %w", id, err)
	}
	r.out.ID, r.scanner.id = id, id
	r.treat = func(ctx context.Context, p *seen) Process { return r.revertIn(ctx, p, id) }
	r.wants = func(p *seen, before *Process) bool {
		return before == nil || (before.Outcome == Reverted || before.Outcome == Gone) && p.inUse(id)
	}
	if err := r.all(ctx); err != nil {
		return r.report(), fmt.Errorf("revert %s: %w", id, err)
	}
	return r.report(), nil
}

// minID is how many characters of an update's ID are enough.
const minID = 8

// inUse reports whether a process holds an update so that its code runs, or may.
func (p *seen) inUse(id string) bool {
	return slices.ContainsFunc(p.updates, func(u splice.Report) bool {
		return strings.HasPrefix(u.ID, id) && u.State != splice.Kept
	})
}

func (r *run) revertIn(ctx context.Context, p *seen, id string) Process {
	if why := p.alone(); why != nil {
		return refusedBy(p, why)
	}
	report, err := process.Revert(ctx, p.id.PID, id, r.opt.Process)
	if err != nil && letGo(err) {
		return p.process(Gone, "it holds the update no more: it has executed a program, or another tool has taken it back")
	}
	if err != nil {
		return refusedBy(p, err)
	}
	out := p.process(Reverted, report.Kept)
	if r.opt.Process.DryRun {
		out.Outcome = Ready
	}
	out.Updates = []splice.Report{*report}
	return out
}

// letGo reports whether an error of a revert says that a process has nothing of the update, as one that has
// executed a program since it was seen.
func letGo(err error) bool {
	return errors.Is(err, splice.CodeNotApplied) || errors.Is(err, process.CodeExec)
}

// once scans once, and treats whom it finds.
func (r *run) once(ctx context.Context) error {
	found, err := r.scanner.scan(ctx)
	if err != nil {
		return err
	}
	r.out.Scans, r.out.Settled = 1, true
	r.wants = func(_ *seen, before *Process) bool { return before == nil }
	return r.each(ctx, r.choose(found))
}
