package trial

import (
	"context"
	"errors"
	"fmt"
)

// A Bench tries updates of one kernel, one after the other, in one guest. It boots the guest
// when the first update comes. After a trial that was not well, or that left something in the
// kernel, the next update gets a new guest: what one update does to a kernel must not be told
// of another. It is not for several goroutines at once.
type Bench struct {
	guest   Options
	session *Session
	guests  int
	why     string // the guest was given up for
	failed  error  // to boot: no later guest would
	notes   []string
}

// NewBench returns a bench for a kernel, after a look whether all is there that a guest needs:
// a [MissingError] says what is not. Of the options count those that [Boot] needs, and
// Exercise.
func NewBench(o Options) (*Bench, error) {
	p, err := o.prepareGuest()
	var missing *MissingError
	if err != nil && !errors.As(err, &missing) {
		return nil, fmt.Errorf("try updates: %w", err)
	}
	if err := p.prepareExercise(); err != nil {
		return nil, fmt.Errorf("try updates: %w", err)
	}
	if err := p.missing(); err != nil {
		return nil, fmt.Errorf("try updates: %w", err)
	}
	return &Bench{guest: o}, nil
}

// Try is [Run] in the guest of the bench: of the options, those of [NewBench] do not count, but
// for Exercise. The report has a stage for the guest where one was booted for it, and a note why
// a new one was.
//
// A guest that does not boot is an error, of this call and of all later ones.
func (b *Bench) Try(ctx context.Context, o Options) (*Report, error) {
	if b.failed != nil {
		return nil, b.failed
	}
	booted, err := b.need(ctx)
	if err != nil {
		return nil, err
	}
	r, err := b.session.Try(ctx, o)
	if err != nil {
		return nil, err
	}
	r.Notes = append(r.Notes, b.notes...)
	b.notes = nil
	if booted.Name != "" {
		r.Stages = append([]Stage{booted}, r.Stages...)
	}
	if why := left(r); why != "" || !b.session.Alive() {
		b.why = fmt.Sprintf("the one before was given up behind %s: %s", o.Update.Name, why)
		b.note(b.give())
	}
	return r, nil
}

// need boots a guest where there is none, and says how long that took.
func (b *Bench) need(ctx context.Context) (booted Stage, err error) {
	if b.session != nil && b.session.Alive() {
		return booted, nil
	}
	b.note(b.give())
	o := b.guest
	if b.session, err = Boot(ctx, o); err != nil {
		if ctx.Err() == nil {
			b.failed = err
		}
		return booted, err
	}
	if b.guests++; b.why != "" {
		b.notes = append(b.notes, fmt.Sprintf("guest number %d: %s", b.guests, b.why))
		b.why = ""
	}
	return b.session.booted, nil
}

// left says what a trial left in the kernel that the next one must not find, "" for nothing.
func left(r *Report) string {
	switch {
	case r.Console != "":
		return "its kernel died"
	case len(r.Failures) > 0:
		return "a failure in the stage " + r.Failures[0].Stage
	case len(r.Findings) > 0:
		return "the log has " + r.Findings[0].Rule
	case r.Pinned:
		return "it stays loaded"
	}
	return ""
}

// note keeps what is wrong with a guest that goes, for the next report: it says nothing of an
// update.
func (b *Bench) note(err error) {
	if err != nil {
		b.notes = append(b.notes, err.Error())
	}
}

// give lets the guest go.
func (b *Bench) give() error {
	if b.session == nil {
		return nil
	}
	s := b.session
	b.session = nil
	return s.Close()
}

// Guests is how many guests were booted.
func (b *Bench) Guests() int { return b.guests }

// Close lets the guest go off, see [Session.Close].
func (b *Bench) Close() error { return b.give() }
