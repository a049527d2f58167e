//go:build linux && amd64

package process

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/internal/procfs"
	"github.com/gosplice/gosplice/internal/ptrace"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/splice"
)

// Revert undoes the update with the given ID, or, when id is "", the one that
// was applied last. It also removes what a killed tool has left behind.
//
// It refuses when someone else changed a redirected function since. The memory
// of the update is unmapped, unless something in the process still points to
// it, or that can't be found out: then Report.Kept says so, and the state is
// [Kept].
func Revert(ctx context.Context, pid int, id string, opt Options) (*Report, error) {
	opt.defaults()
	v := &reverter{pid: pid, opt: opt, most: quickLook}
	defer v.close()
	err := v.prepare(ctx, id)
	switch {
	case err != nil:
	case opt.DryRun:
		err = foresee(ctx, pid, &v.opt, v.stacks, imageMem{v.image})
	default:
		err = v.run(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("revert in process %d: %w", pid, explain(err))
	}
	return v.out, nil
}

type reverter struct {
	pid      int
	id       procfs.ID // of the process that was looked at first
	opt      Options
	image    *image.Image
	rec      *record
	records  []*record
	stacks   *stacks
	session  *ptrace.Session
	out      *Report
	attempts int
	most     uint64 // how much memory is searched in a stop, in bytes
	large    bool   // it has more
}

func (v *reverter) close() {
	if v.session != nil {
		v.session.Detach()
	}
	if v.image != nil {
		v.image.Close()
	}
}

// prepare finds the record, and checks what can be checked while the process
// runs.
func (v *reverter) prepare(ctx context.Context, id string) error {
	var err error
	if v.id, err = procfs.Identify(v.pid); err == nil {
		err = frozen(v.pid)
	}
	if err != nil {
		return err
	}
	if v.image, err = image.OpenProcess(v.pid); err != nil {
		return err
	}
	mem := imageMem{v.image}
	records, err := findRecords(ctx, v.pid, mem)
	if err != nil {
		return err
	}
	if v.rec, err = pick(records, mem, id); err != nil {
		return err
	}
	if st, d := v.rec.state(mem); st == Foreign {
		return foreign(d)
	}
	v.records = records
	v.rec.landings = landingsOf(v.image, v.rec)
	v.stacks = newStacks(unwindTables(v.pid, v.image), v.image, records, v.rec.areas())
	v.out = v.rec.report(v.pid, Applied)
	return nil
}

// areas are the new code, by the functions that replace others; what lies
// between is named after the one before.
func (r *record) areas() []area {
	starts := slices.SortedFunc(slices.Values(r.Redirects), func(a, b recordRedirect) int { return cmp.Compare(a.New, b.New) })
	at, name := r.Code[0], r.Name
	var out []area
	for i := range starts {
		if d := &starts[i]; d.New > at {
			out = append(out, area{name, at, d.New})
			at = d.New
		}
		name = starts[i].Function
	}
	out = append(out, area{name, at, r.Code[1]})
	for i := range starts { // a thread may be about to run a jump in padding
		if p := starts[i].Pad; p != nil {
			out = append(out, area{starts[i].Function, p.At, p.At + uint64(len(p.Orig)) - 1})
		}
	}
	return out
}

// ranks says which update is meant when several could be: one that is in use,
// then one that can't be reverted, so that this is said, then what is left of
// one.
var ranks = map[State]int{Applied: 3, Staged: 3, Foreign: 2, Kept: 1}

// pick chooses the record to revert: by ID or at least 8 characters of it, or
// the one that was applied last.
func pick(records []*record, mem readerAt, id string) (*record, error) {
	var best *record
	rank := 0
	for _, r := range records {
		if id != "" && r.ID != id && (len(id) < 8 || !strings.HasPrefix(r.ID, id)) {
			continue
		}
		st, _ := r.state(mem)
		if n := ranks[st]; n > rank || n == rank && r.Time >= best.Time {
			best, rank = r, n
		}
	}
	if best == nil {
		return nil, splice.Refuse(splice.CodeNotApplied, "", "", 0, "the process holds no update %s", id)
	}
	return best, nil
}

func foreign(d *recordRedirect) error {
	if d.gone {
		r := splice.Refuse(splice.CodeRedirected, d.Function, d.Module, d.At, "the redirection is in memory that is not code of a file any more")
		r.Hint = "try again when the program has made it code again, or restart it"
		return r
	}
	return splice.Refuse(splice.CodeRedirected, d.Function, d.Module, d.At, "something else was written over the redirection")
}

func (v *reverter) run(ctx context.Context) (err error) {
	v.session, err = seize(ctx, v.id, &v.opt)
	if err != nil {
		return err
	}
	v.stacks.warm(v.pid, v.session.Mem())
	if err := retry(ctx, &v.opt, &v.attempts, within(v.session, func() ([]Blocker, error) { return v.try(ctx) })); err != nil {
		return err
	}
	v.reclaimLater(ctx)
	v.out.Pause = v.session.Stats().MaxPause
	v.forgetGone()
	return nil
}

// try stops the process once.
func (v *reverter) try(ctx context.Context) ([]Blocker, error) {
	if err := alone(v.pid); err != nil {
		return nil, err
	}
	if err := v.session.Stop(ctx); err != nil {
		return nil, err
	}
	defer v.session.Resume()
	mem := v.session.Mem()
	st, d := v.rec.state(mem)
	if st == Foreign {
		return nil, foreign(d)
	}
	blockers, n, err := v.stacks.check(v.session)
	if err != nil || len(blockers) > 0 {
		return blockers, err
	}
	if st != Kept {
		if err := restore(mem, v.rec, st); err != nil {
			return nil, err
		}
	}
	if err := v.rec.sweep(mem); err != nil {
		return nil, err
	}
	v.out.Threads, v.out.Attempts, v.out.Scans = n, v.attempts, v.stacks.scans
	v.reclaim(ctx)
	return nil, nil
}

// restore puts the old code back, in the opposite order of commit: while there
// are several trampolines they lead through the slots, so that one write turns
// them all.
func restore(mem *ptrace.Mem, r *record, st State) error {
	if len(r.Redirects) > 1 {
		if st == Applied {
			if _, err := putAll(mem, r, false); err != nil {
				return err // the new code still runs, by way of the slots
			}
		}
		if err := turnSlots(mem, r, func(d *recordRedirect) uint64 { return d.OldPath }); err != nil {
			return err
		}
	}
	for i := range r.Redirects {
		if err := r.Redirects[i].take(mem); err != nil {
			return fmt.Errorf("redirect %s: %w", r.Redirects[i].Function, err)
		}
	}
	return nil
}

// state reads off the redirected functions what became of the update; of
// Foreign it returns the first that someone else changed. Another update of
// ours may redirect a function now, when this one was reverted before.
func (r *record) state(mem readerAt) (State, *recordRedirect) {
	applied, old := 0, 0
	for i := range r.Redirects {
		d := &r.Redirects[i]
		switch r.stands(mem, d) {
		case Foreign:
			return Foreign, d
		case Applied:
			applied++
		case Kept:
			old++
		}
	}
	switch {
	case applied > 0:
		return Applied, nil
	case old == len(r.Redirects):
		return Kept, nil
	}
	return Staged, nil
}

// leading returns a redirection that still stands, whatever became of others; nil when there is none.
func (r *record) leading(mem readerAt) *recordRedirect {
	for i := range r.Redirects {
		if st := r.stands(mem, &r.Redirects[i]); st == Applied || st == Staged {
			return &r.Redirects[i]
		}
	}
	return nil
}

// stands is state of one redirection.
func (r *record) stands(mem readerAt, d *recordRedirect) State {
	if d.gone {
		return d.standsGone(mem)
	}
	b, err := readBytes(mem, d.At, len(d.Orig))
	if err != nil {
		return Foreign
	}
	direct, staged := bytes.Equal(b, d.Direct), bytes.Equal(b, d.Staged)
	if d.Pad != nil && direct { // what stands in padding tells
		p, err := readBytes(mem, d.Pad.At, len(d.Pad.Orig))
		if err != nil {
			return Foreign
		}
		direct, staged = bytes.Equal(p, d.Pad.Direct), bytes.Equal(p, d.Pad.Staged)
	}
	switch {
	case bytes.Equal(b, d.Orig):
		return Kept
	case direct:
		return Applied
	case staged:
		if slot, err := readBytes(mem, d.Slot, 8); err == nil && binary.LittleEndian.Uint64(slot) == d.New {
			return Applied
		}
		return Staged
	case r.superseded(mem, d):
		return Kept
	}
	return Foreign
}
