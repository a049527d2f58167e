package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/gosplice/gosplice/internal/visible"
	"github.com/gosplice/gosplice/splice"
)

// A Listing is what a store has.
type Listing struct {
	Schema     int        `json:"schema"` // [Schema]
	Signatures Signatures `json:"signatures"`
	Mode       Mode       `json:"mode"`
	Seconds    int        `json:"seconds"`
	Keys       []string   `json:"keys"`    // their names; never null
	Updates    []Item     `json:"updates"` // in the order in which they are loaded; never null
	// Record is of a boot that has not proved good; null when there is none.
	Record *Record `json:"record"`
}

// An Item is an update of a [Listing].
type Item struct {
	Entry
	Fits bool `json:"fits"` // it is for the kernel that runs
	// Refusal is why it would not be loaded, by what the store has of it, and by the policy; null
	// when nothing is known to be in the way.
	Refusal *splice.Refusal `json:"refusal"`
	Error   string          `json:"error"` // why, where that is no refusal
}

// List says what the store has, and verifies all of it. Without a machine none of it fits.
func (s *Store) List(ctx context.Context, m *Machine) (l *Listing, err error) {
	if m == nil {
		return nil, within("list", errNoMachine)
	}
	err = s.look(ctx, "list", func() error {
		l, err = s.list(ctx, m)
		return err
	})
	return l, err
}

func (s *Store) list(ctx context.Context, m *Machine) (*Listing, error) {
	p, err := s.policy()
	if err != nil {
		return nil, err
	}
	x, err := s.index()
	if err != nil {
		return nil, err
	}
	g, err := s.guard()
	if err != nil {
		return nil, err
	}
	l := &Listing{Schema: Schema, Signatures: p.Signatures, Mode: p.Mode, Seconds: p.Seconds, Keys: []string{}, Updates: []Item{}, Record: g.Record}
	for i := range p.Keys {
		l.Keys = append(l.Keys, p.Keys[i].Name)
	}
	for _, e := range x.Entries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		it := Item{Entry: e, Fits: m != nil && e.Fits(m)}
		_, err := s.open(&e, p)
		if left := g.leftOut(e.Digest); err == nil && left != nil {
			err = left.refusal()
		}
		if err != nil && !errors.As(err, &it.Refusal) {
			it.Error = err.Error()
		}
		l.Updates = append(l.Updates, it)
	}
	return l, nil
}

// Well reports whether nothing is known to be in the way of any update that is enabled and fits.
func (l *Listing) Well() bool {
	return !slices.ContainsFunc(l.Updates, func(it Item) bool {
		return it.Enabled && it.Fits && (it.Refusal != nil || it.Error != "")
	})
}

// Text writes the listing for people.
func (l *Listing) Text(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "signatures %s, %s, %d s for each", l.Signatures, l.Mode, l.Seconds)
	if len(l.Keys) > 0 {
		fmt.Fprintf(&b, "; keys %s", visible.Text(strings.Join(l.Keys, ", ")))
	}
	fmt.Fprintln(&b)
	for i := range l.Updates {
		l.Updates[i].text(&b)
	}
	if len(l.Updates) == 0 {
		fmt.Fprintln(&b, "the store has no update")
	}
	if r := l.Record; r != nil {
		fmt.Fprintf(&b, "boot %.8s has not proved good: its updates are left out at the next boot unless it does\n", r.Boot)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (it *Item) text(b *strings.Builder) {
	fmt.Fprintf(b, "%s: %.12s", visible.Text(it.Name), it.Digest)
	words := []string{"for " + it.Release}
	if it.Fits {
		words = append(words, "which runs")
	}
	if it.Cumulative {
		words = append(words, "cumulative")
	}
	if it.Signer == "" {
		words = append(words, "not signed by an accepted key")
	} else {
		words = append(words, "signed by "+it.Signer)
	}
	if !it.Enabled {
		words = append(words, "disabled")
	}
	fmt.Fprintf(b, ", %s\n", visible.Text(strings.Join(append(words, it.Fixes...), ", ")))
	switch {
	case it.Refusal != nil:
		fmt.Fprintf(b, "  %s\n    %s\n", visible.Text(it.Refusal.Error()), it.Refusal.Hint)
	case it.Error != "":
		fmt.Fprintf(b, "  %s\n", visible.Text(it.Error))
	}
}

// dids are what became of updates, in words for people.
var dids = map[Did]string{
	There: "loaded before", NotOurs: "not for this kernel", Replaced: "a later one has what it has",
	LeftAway: "LEFT OUT", Refused: "NOT LOADED", Failed: "NOT LOADED",
}

// Text writes the report for people.
func (r *Report) Text(w io.Writer) error {
	var b strings.Builder
	if r.Off {
		fmt.Fprintf(&b, "the kernel's command line has %s%s: nothing is loaded\n", parameter, off)
	}
	if f := r.Failed; f != nil {
		fmt.Fprintf(&b, "boot %.8s (%s) DID NOT PROVE GOOD: what was active then is left out from now on\n", visible.Text(f.Boot), f.Began.UTC().Format(time.DateTime))
	}
	for i := range r.Updates {
		r.Updates[i].text(&b)
	}
	if left := r.left(); len(left) > 0 {
		fmt.Fprintf(&b, "the machine runs without %s: find out why it did not come up; to load it again: livectl store allow %s\n", visible.Text(strings.Join(left, ", ")), visible.Text(left[0]))
	}
	if len(r.Updates) == 0 && !r.Off {
		fmt.Fprintln(&b, "the store has no update")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// left lists the names of what is left out.
func (r *Report) left() (names []string) {
	for i := range r.Updates {
		if r.Updates[i].Did == LeftAway {
			names = append(names, r.Updates[i].Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (o *Outcome) text(b *strings.Builder) {
	did, ok := dids[o.Did]
	if !ok {
		did = string(o.Did)
	}
	fmt.Fprintf(b, "%s: %s", visible.Text(o.Name), did)
	if o.Why != "" {
		fmt.Fprintf(b, ": %s", visible.Text(o.Why))
	}
	if o.Took > 0 {
		fmt.Fprintf(b, ", %v", o.Took.Round(time.Millisecond))
	}
	fmt.Fprintln(b)
	if o.Refusal != nil && o.Did != LeftAway {
		fmt.Fprintf(b, "  %s\n", o.Refusal.Hint)
	}
}
