package store

import (
	"context"
	"errors"
	"time"

	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module/running"
)

// A Kernel is what updates are loaded into: a [*running.Kernel].
type Kernel interface {
	Load(ctx context.Context, f *running.File, o running.Options) (*splice.Report, error)
	All(ctx context.Context) ([]splice.Report, error)
}

// Options say how updates are loaded.
type Options struct {
	// Progress, when set, is told which update is being loaded, and how far its transition is.
	Progress func(name string, t *running.Transition)
}

// What became of an update in a boot.
type Did string

const (
	Loaded   Did = "loaded"       // it is in effect
	There    Did = "there"        // it was loaded before
	Disabled Did = "disabled"     // somebody said so
	Replaced Did = "superseded"   // a later one has what it has, and the policy is cumulative
	NotOurs  Did = "other-kernel" // it is for another kernel
	LeftAway Did = "left-out"     // it was active when a boot failed
	Refused  Did = "refused"      // it was not loaded
	Failed   Did = "failed"       // the kernel refused it, or its transition was turned back
)

// An Outcome is what became of one update.
type Outcome struct {
	Name   string `json:"name"`
	Digest string `json:"digest"`
	ID     string `json:"id"`
	Did    Did    `json:"did"`
	Why    string `json:"why"` // "" where the word says it
	// Refusal is why it was refused or left out, null where it is no refusal.
	Refusal *splice.Refusal `json:"refusal"`
	Took    time.Duration   `json:"took"` // to load it, nanoseconds
}

// A Report is what a boot, or [Store.Apply], did.
type Report struct {
	Schema int    `json:"schema"` // [Schema]
	Boot   string `json:"boot"`   // its ID
	Kernel string `json:"kernel"` // build-id
	Off    bool   `json:"off"`    // the command line has nothing loaded
	// Failed is the record of an earlier boot that did not prove good; null when there is none.
	Failed  *Record   `json:"failed"`
	Updates []Outcome `json:"updates"` // in the order of the store; never null
}

// Well reports whether everything that is meant to be in effect is.
func (r *Report) Well() bool {
	for i := range r.Updates {
		switch r.Updates[i].Did {
		case LeftAway, Refused, Failed:
			return false
		}
	}
	return r.Failed == nil
}

// Boot loads the updates that are for the kernel of a machine, as the policy says, one after the
// other, each with its limit. Each that is refused is told in the report, and the others are
// loaded. Before the first it is written down what is to be loaded, and before each that it is:
// the record stays until [Store.Good].
func (s *Store) Boot(ctx context.Context, k Kernel, m *Machine, o Options) (*Report, error) {
	return s.run(ctx, "boot", k, m, o, true)
}

// Apply loads what Boot would load, for somebody who watches. What is loaded is written down
// before, and that is taken back once it is loaded: where the machine goes down in between, it is
// left out at the next boot.
func (s *Store) Apply(ctx context.Context, k Kernel, m *Machine, o Options) (*Report, error) {
	return s.run(ctx, "apply", k, m, o, false)
}

// A session is one boot.
type session struct {
	*Store
	kernel  Kernel
	machine *Machine
	options Options
	policy  *Policy
	guard   *Guard
	stays   bool              // the record stays
	active  map[string]string // the IDs of livepatches that are in effect, by their names
	report  *Report
}

func (s *Store) run(ctx context.Context, what string, k Kernel, m *Machine, o Options, stays bool) (*Report, error) {
	if k == nil || m == nil {
		return nil, within(what, errNoMachine)
	}
	r := &Report{Schema: Schema, Boot: m.Boot, Kernel: m.Kernel, Off: m.Off, Updates: []Outcome{}}
	if m.Off {
		return r, nil
	}
	err := s.change(ctx, what, func() error {
		b := &session{Store: s, kernel: k, machine: m, options: o, stays: stays, report: r}
		return b.run(ctx)
	})
	return r, err
}

func (b *session) run(ctx context.Context) (err error) {
	if b.guard, err = b.Store.guard(); err != nil {
		return err
	}
	if b.policy, err = b.Store.policy(); err != nil {
		return err
	}
	x, err := b.Store.index()
	if err != nil {
		return err
	}
	if err := b.ask(ctx); err != nil {
		return err
	}
	b.report.Failed = b.guard.settle(b.machine)
	list := b.choose(x)
	if err := b.begin(x, list); err != nil {
		return err
	}
	return b.all(ctx, x, list)
}

// ask asks the kernel what is in effect, or on the way there.
func (b *session) ask(ctx context.Context) error {
	now, err := b.kernel.All(ctx)
	if err != nil {
		return err
	}
	b.active = map[string]string{}
	for i := range now {
		if now[i].State != splice.Kept {
			b.active[now[i].Name] = now[i].ID
		}
	}
	return nil
}

// has reports whether an update is in effect.
func (b *session) has(e *Entry) bool {
	id, ok := b.active[e.Name]
	return ok && id == e.ID
}

// choose judges all entries by what is known without their files, and returns the numbers of
// those that are to be loaded, in the order in which they are tried.
func (b *session) choose(x *index) (list []int) {
	for i := range x.Entries {
		e := &x.Entries[i]
		out := Outcome{Name: e.Name, Digest: e.Digest, ID: e.ID}
		switch left := b.guard.leftOut(e.Digest); {
		case !e.Fits(b.machine):
			out.Did, out.Why = NotOurs, "it is for "+e.Release
		case !e.Enabled:
			out.Did = Disabled
		case b.has(e):
			out.Did = There
		case left != nil:
			out.refuse(LeftAway, left.refusal())
		default:
			list = append(list, i)
		}
		b.report.Updates = append(b.report.Updates, out)
	}
	if b.policy.Mode == Cumulative {
		list = b.newest(list)
	}
	return list
}

// newest turns the order around, and takes away what comes before one that is there.
func (b *session) newest(list []int) (out []int) {
	there := -1
	for i := range b.report.Updates {
		if b.report.Updates[i].Did == There {
			there = i
		}
	}
	for k := len(list) - 1; k >= 0; k-- {
		if list[k] > there {
			out = append(out, list[k])
		} else {
			b.report.Updates[list[k]].Did = Replaced
		}
	}
	return out
}

// begin writes down what is to be loaded.
func (b *session) begin(x *index, list []int) error {
	if len(list) == 0 {
		if b.report.Failed != nil {
			return b.write(b.guard)
		}
		return nil
	}
	if b.guard.Record == nil {
		b.guard.Record = &Record{Boot: b.machine.Boot, Kernel: b.machine.Kernel, Began: time.Now().UTC(), Updates: []Activation{}}
	}
	for _, i := range list {
		if e := &x.Entries[i]; b.guard.Record.find(e.Digest) == nil {
			b.guard.Record.Updates = append(b.guard.Record.Updates, Activation{e.Name, e.Digest, Planned})
		}
	}
	return b.write(b.guard)
}

// all loads updates: each of them, or until one is loaded where the policy is cumulative.
func (b *session) all(ctx context.Context, x *index, list []int) error {
	for n, i := range list {
		if err := ctx.Err(); err != nil {
			return err
		}
		out := &b.report.Updates[i]
		if err := b.one(ctx, &x.Entries[i], out); err != nil {
			return err
		}
		if b.policy.Mode != Cumulative || out.Did != Loaded {
			continue
		}
		for _, older := range list[n+1:] {
			b.report.Updates[older].Did = Replaced
		}
		break
	}
	return b.end()
}

// one loads one update. The error is that the guard can't be written.
func (b *session) one(ctx context.Context, e *Entry, out *Outcome) error {
	f, err := b.open(e, b.policy)
	if err != nil {
		out.refuse(Refused, err)
		return b.step(b.guard, e, Over)
	}
	if err := b.step(b.guard, e, Loading); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, b.policy.Limit())
	defer cancel()
	o := running.Options{}
	if tell := b.options.Progress; tell != nil {
		o.Progress = func(t *running.Transition) { tell(e.Name, t) }
	}
	begin := time.Now()
	_, err = b.kernel.Load(limited, f, o)
	out.Took = time.Since(begin)
	to := Active
	if err == nil {
		out.Did = Loaded
	} else {
		out.refuse(Failed, err)
		// What stays in transition is there all the same.
		if err := b.ask(context.WithoutCancel(ctx)); err == nil && !b.has(e) {
			to = Over
		}
	}
	return b.step(b.guard, e, to)
}

// end takes what this session has loaded out of the record where that is not to stay: what is there
// has come through, and what is not there did no harm. Of what is still in transition nobody knows.
func (b *session) end() error {
	if b.stays || b.guard.Record == nil {
		return nil
	}
	mine := map[string]bool{}
	for i := range b.report.Updates {
		switch o := &b.report.Updates[i]; o.Did {
		case Loaded, Refused, Replaced:
			mine[o.Digest] = true
		case Failed:
			a := b.guard.Record.find(o.Digest)
			mine[o.Digest] = a != nil && a.Step == Over
		}
	}
	kept := []Activation{}
	for _, a := range b.guard.Record.Updates {
		if !mine[a.Digest] {
			kept = append(kept, a)
		}
	}
	b.guard.Record.Updates = kept
	if len(kept) == 0 {
		b.guard.Record = nil
	}
	return b.write(b.guard)
}

func (o *Outcome) refuse(did Did, err error) {
	o.Did, o.Why = did, err.Error()
	errors.As(err, &o.Refusal)
}

// find returns what a record has of an update, nil for nothing.
func (r *Record) find(digest string) *Activation {
	for i := range r.Updates {
		if r.Updates[i].Digest == digest {
			return &r.Updates[i]
		}
	}
	return nil
}
