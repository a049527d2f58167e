//go:build linux && amd64

package machine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/gosplice/gosplice/internal/procfs"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/process"
)

// InspectAll is [Inspect] of several updates, with a report for each: every process is looked at
// once, whatever the number of updates. i is that of the update.
func InspectAll(ctx context.Context, did string, updates []*splice.Update, opt Options, say func(i, pid int, x *process.Inspection) (Outcome, string)) ([]*Report, error) {
	all := &inspection{say: say, updates: updates}
	for _, u := range updates {
		r, err := newRun(did, u, &opt)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", did, u.Name, err)
		}
		r.wants = func(_ *seen, before *Process) bool { return before == nil }
		r.out.Scans, r.out.Settled = 1, true
		all.runs = append(all.runs, r)
	}
	if len(all.runs) == 0 {
		return nil, nil
	}
	if err := all.look(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", did, err)
	}
	out := make([]*Report, len(all.runs))
	for i, r := range all.runs {
		out[i] = r.report()
	}
	return out, nil
}

// inspection is one of several updates.
type inspection struct {
	say     func(i, pid int, x *process.Inspection) (Outcome, string)
	updates []*splice.Update
	runs    []*run // of each

	mu    sync.Mutex // of what follows, and of what the runs note
	found [][]*seen  // of each update
}

// A part is a process as one update sees it.
type part struct {
	i int // of the update
	p *seen
}

func (a *inspection) look(ctx context.Context) error {
	list, err := pids()
	if err != nil {
		return err
	}
	a.found = make([][]*seen, len(a.runs))
	err = a.parallel(ctx, len(list), func(ctx context.Context, k int) { a.scan(list[k]) })
	if err != nil {
		return err
	}
	todo := map[procfs.ID][]part{}
	var order []procfs.ID
	for i, r := range a.runs {
		slices.SortFunc(a.found[i], func(x, y *seen) int { return cmp.Compare(x.id.PID, y.id.PID) })
		for _, p := range r.choose(a.found[i]) {
			if todo[p.id] == nil {
				order = append(order, p.id)
			}
			todo[p.id] = append(todo[p.id], part{i, p})
		}
	}
	return a.parallel(ctx, len(order), func(ctx context.Context, k int) { a.process(ctx, order[k], todo[order[k]]) })
}

// parallel calls do for 0 to n-1, several at once, until ctx is done.
func (a *inspection) parallel(ctx context.Context, n int, do func(ctx context.Context, k int)) error {
	g, some := errgroup.WithContext(ctx)
	g.SetLimit(a.runs[0].opt.Parallel)
	for k := range n {
		g.Go(func() error {
			if err := some.Err(); err != nil {
				return err
			}
			do(some, k)
			return nil
		})
	}
	return g.Wait()
}

// scan looks at what one process maps, and which of the updates are for that.
func (a *inspection) scan(pid int) {
	p := a.runs[0].scanner.begin(pid)
	if p == nil {
		return
	}
	mods, err := image.ProcessModules(pid)
	for i, r := range a.runs {
		mine := *p
		if q := r.scanner.judge(&mine, mods, err); q != nil {
			a.mu.Lock()
			a.found[i] = append(a.found[i], q)
			a.mu.Unlock()
		}
	}
}

// process opens one process, and inspects all updates that are for it.
func (a *inspection) process(ctx context.Context, id procfs.ID, parts []part) {
	v, err := process.OpenView(ctx, id.PID)
	if err == nil {
		defer v.Close()
	}
	for _, x := range parts {
		what := a.one(v, err, x)
		r := a.runs[x.i]
		r.opt.Logger.Debug(r.out.Did, "pid", what.PID, "command", what.Command, "outcome", what.Outcome, "why", what.Why)
		a.mu.Lock()
		r.note(x.p, what)
		a.mu.Unlock()
	}
}

// one inspects one update in a process, or says why that could not be opened.
func (a *inspection) one(v *process.View, err error, x part) Process {
	var found *process.Inspection
	if err == nil {
		found, err = v.Inspect(a.updates[x.i])
	}
	if err != nil {
		return refusedBy(x.p, err)
	}
	out := x.p.process(a.say(x.i, x.p.id.PID, found))
	if found.Report != nil {
		out.Updates = []splice.Report{*found.Report}
	}
	return out
}
