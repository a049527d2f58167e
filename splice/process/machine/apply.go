//go:build linux && amd64

package machine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/internal/procfs"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/process"
)

// Apply applies an update to all selected processes that map what it is for, in parallel, and
// looks at all processes again until it finds nobody new: also those that were forked, or that
// executed something, while it went on. What was refused to one process is in its [Process],
// and keeps no other from being treated.
//
// With Options.Process.DryRun nothing is stopped or changed, and the outcome is [Ready] or
// [Refused].
//
// The error is about all: an update that can't be looked for (a [*splice.Refusal]), a selection
// that makes no sense, or ctx, with the report so far.
func Apply(ctx context.Context, u *splice.Update, opt Options) (*Report, error) {
	if u == nil {
		return nil, fmt.Errorf("apply: %w: no update is given", splice.ErrUpdateDamaged)
	}
	did := "apply"
	if opt.Process.DryRun {
		did = "plan"
	}
	r, err := newRun(did, u, &opt)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", did, u.Name, err)
	}
	r.treat = func(ctx context.Context, p *seen) Process { return applyTo(ctx, p, u, &r.opt.Process) }
	r.wants = wantsOld(opt.Process.DryRun)
	if err := r.all(ctx); err != nil {
		return r.report(), fmt.Errorf("%s %s: %w", did, u.Name, err)
	}
	return r.report(), nil
}

// wantsOld says whom Apply treats: who was not treated yet, and who was, and has executed something
// since, so that it has the old code again.
func wantsOld(dry bool) func(p *seen, before *Process) bool {
	return func(p *seen, before *Process) bool {
		return before == nil || !dry && p.old && (before.Outcome == Applied || before.Outcome == Already)
	}
}

// run treats processes until nobody is left.
type run struct {
	opt     *Options
	scanner scanner
	treat   func(ctx context.Context, p *seen) Process
	// wants reports whether a process that is selected is to be treated; before is what became
	// of it, nil when it was not treated yet.
	wants func(p *seen, before *Process) bool

	out    Report
	began  time.Time
	done   map[procfs.ID]*Process
	tries  map[procfs.ID]int
	hidden int
}

func newRun(did string, u *splice.Update, opt *Options) (*run, error) {
	if err := opt.defaults(); err != nil {
		return nil, err
	}
	r := &run{opt: opt, began: time.Now(), done: map[procfs.ID]*Process{}, tries: map[procfs.ID]int{}}
	r.out = Report{Schema: Schema, Did: did}
	r.scanner = scanner{update: u, selects: opt.Select, parallel: opt.Parallel}
	if u != nil {
		if err := checkUpdate(u); err != nil {
			return nil, err
		}
		r.scanner.subjects = subjects(u)
		r.out.Name, r.out.ID = u.Name, u.ID()
	}
	return r, nil
}

// all scans, and treats whom it finds, until nobody is found. A dry run asks of those that are there when it
// begins, again where they are not ready.
func (r *run) all(ctx context.Context) error {
	for empty := 0; empty < quiet; {
		if r.out.Scans == r.opt.Scans {
			return nil
		}
		found, err := r.scanner.scan(ctx)
		if err != nil {
			return err
		}
		r.out.Scans++
		todo := r.choose(found)
		if r.opt.Process.DryRun && r.out.Scans > 1 { // where processes come and go it would not end
			todo = slices.DeleteFunc(todo, func(p *seen) bool { return r.done[p.id] == nil })
		}
		if len(todo) == 0 {
			empty++
			continue
		}
		empty = 0
		if err := r.each(ctx, todo); err != nil {
			return err
		}
	}
	r.out.Settled = true
	return nil
}

// choose returns whom to treat, and notes what became of the others.
func (r *run) choose(found []*seen) []*seen {
	var todo []*seen
	r.hidden = 0
	for _, p := range found {
		before := r.done[p.id]
		switch {
		case p.hidden != nil && !p.selected:
		case p.hidden != nil && !slices.Contains(r.opt.Select.PIDs, p.id.PID):
			r.hidden++
		case p.hidden != nil:
			r.note(p, refusedBy(p, p.hidden))
		case !p.maps && p.selected && p.other != "":
			r.note(p, p.process(OtherCopy, p.other))
		case !p.maps && p.selected:
			r.note(p, refusedBy(p, splice.Refuse(splice.CodeNoModule, "", "", 0, "it maps nothing of what the update is for")))
		case !p.selected && p.old:
			r.note(p, p.process(LeftOut, "it runs the old code, and was not selected"))
		case !p.selected || !r.wants(p, before):
		case r.tries[p.id] >= triesEach:
			if before != nil && before.Outcome != Refused { // it runs the old code again
				r.note(p, refusedBy(p, restless()))
			}
		default:
			r.tries[p.id]++
			todo = append(todo, p)
		}
	}
	return todo
}

func (r *run) note(p *seen, what Process) { r.done[p.id] = &what }

// each treats processes in parallel. A process that will be looked at again is not noted.
func (r *run) each(ctx context.Context, todo []*seen) error {
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(r.opt.Parallel)
	for _, p := range todo {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			what := r.treat(ctx, p)
			r.opt.Logger.Debug(r.out.Did, "pid", what.PID, "command", what.Command, "outcome", what.Outcome, "why", what.Why)
			mu.Lock()
			defer mu.Unlock()
			r.note(p, what)
			if retry(&what) && r.tries[p.id] < triesEach {
				delete(r.done, p.id)
			}
			return nil
		})
	}
	return g.Wait()
}

// retry reports whether what was refused may be otherwise at the next scan.
func retry(p *Process) bool {
	return slices.ContainsFunc(p.Refusals, func(x *splice.Refusal) bool {
		return x.Code == CodeSharedMemory || x.Code == process.CodeExec || x.Code == process.CodeNotReady
	})
}

func (r *run) report() *Report {
	out := r.out
	out.Unseen, out.Took = r.hidden, time.Since(r.began)
	for _, p := range r.done {
		out.Processes = append(out.Processes, *p)
	}
	slices.SortFunc(out.Processes, func(a, b Process) int { return cmp.Compare(a.PID, b.PID) })
	return &out
}

// applyTo applies an update to one process.
func applyTo(ctx context.Context, p *seen, u *splice.Update, opt *process.Options) Process {
	if why := p.alone(); why != nil {
		return refusedBy(p, why)
	}
	if !opt.DryRun {
		cleanUp(ctx, p.id.PID, u.ID(), opt)
	}
	report, err := process.Apply(ctx, p.id.PID, u, *opt)
	switch {
	case errors.Is(err, splice.CodeApplied):
		return p.process(Already, "")
	case err != nil:
		return refusedBy(p, err)
	}
	out := p.process(Applied, "")
	if opt.DryRun {
		out.Outcome = Ready
	}
	out.Updates = []splice.Report{*report}
	return out
}

// alone refuses a process in whose memory another one runs.
func (p *seen) alone() error {
	if p.shares == 0 {
		return nil
	}
	return splice.Refuse(CodeSharedMemory, "", "", 0, "process %d runs in the same memory, and is not stopped with it", p.shares)
}

// restless refuses a process that loses what was done to it, again and again.
func restless() error {
	r := splice.Refuse(process.CodeExec, "", "", 0, "it has executed a program %d times, each time after it was treated", triesEach)
	r.Hint = "try again when it is done, or follow it (hotpatch follow)"
	return r
}

// cleanUp removes what a tool that was killed has left of an update in a process. What can't be
// removed stays, and is what Apply refuses, or is not in its way.
func cleanUp(ctx context.Context, pid int, id string, opt *process.Options) {
	list, err := process.Status(ctx, pid)
	if err != nil {
		return
	}
	for i := range list {
		if r := &list[i]; r.ID == id && (r.State == splice.Staged || r.State == splice.Kept) {
			_, _ = process.Revert(ctx, pid, id, *opt)
		}
	}
}

// refusedBy says what an error about a process means.
func refusedBy(p *seen, err error) Process {
	for _, gone := range []error{process.ErrGone, process.CodeGone, process.CodeZombie} {
		if errors.Is(err, gone) {
			return p.process(Gone, "it has ended")
		}
	}
	if errors.Is(err, os.ErrPermission) && !errors.Is(err, splice.ErrRefused) {
		err = splice.Refuse(splice.CodePermission, "", "", 0, "the kernel does not let us look at it")
	}
	out := p.process(Failed, err.Error())
	switch {
	case errors.Is(err, splice.ErrRefused):
		out.Outcome = Refused
		out.Refusals = finding.Refusals(err)
	case p.ended(): // in the middle of something
		return p.process(Gone, "it has ended")
	}
	return out
}

// ended reports whether a process is no more.
func (p *seen) ended() bool {
	st, err := procfs.ReadStat(p.id.PID)
	return errors.Is(err, procfs.ErrGone) || err == nil && (st.Start != p.id.Start || st.IsDead())
}
