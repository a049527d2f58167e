package fixes

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/gosplice/gosplice/internal/words"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/splice/module/internal/entries"
)

// Check finds out which of the fixes of all sources a kernel has. The image is that of a kernel
// which runs; of a file, the report is about a kernel that was booted from it. A fix that
// several sources have is fixed when one of them proves it, and none proves the opposite.
func Check(ctx context.Context, img *image.Image, sources ...*Source) (*Report, error) {
	if img == nil || len(img.Modules()) == 0 {
		return nil, errors.New("check fixes: no image of a kernel is given")
	}
	if slices.Contains(sources, nil) {
		return nil, errors.New("check fixes: a source is missing")
	}
	c := &checker{img: img, moving: entries.InTransition(img)}
	found := make([][][]Function, len(sources)) // by source and object
	g, some := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, s := range sources {
		found[i] = make([][]Function, len(s.objects))
		for k := range s.objects {
			g.Go(func() (err error) {
				found[i][k], err = c.object(some, s, &s.objects[k])
				return err
			})
		}
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("check fixes: %w", err)
	}
	r := &Report{Schema: Schema, Kernel: fmt.Sprintf("%x", img.Modules()[0].BuildID), Fixes: []Fix{}}
	for i, s := range sources {
		for _, name := range s.Fixes {
			if !slices.ContainsFunc(r.Fixes, func(f Fix) bool { return f.Name == name }) {
				r.Fixes = append(r.Fixes, Fix{Name: name})
			}
			k := slices.IndexFunc(r.Fixes, func(f Fix) bool { return f.Name == name })
			r.Fixes[k].take(s, judge(s, found[i], name))
		}
	}
	return r, nil
}

// A verdict is what one source says about a fix.
type verdict struct {
	state     State
	why       string
	functions []Function
}

// judge sums up what is known of the functions of a fix.
func judge(s *Source, found [][]Function, fix string) verdict {
	var t tally
	for i := range s.objects {
		o := &s.objects[i]
		part, alone := s.belongs(o, fix)
		if !part {
			continue
		}
		t.functions = append(t.functions, found[i]...)
		t.other += len(o.Other)
		for k := range found[i] {
			t.count(&found[i][k], alone)
		}
	}
	v := verdict{functions: t.functions}
	v.state, v.why = t.state()
	return v
}

// tally counts the functions of a fix by what runs.
type tally struct {
	functions []Function
	all, post int
	pre       int // of objects that are of no other fix
	preShared int // of objects that are of others too
	added     int // new ones that are not there
	other     int // constants and variables that are changed where they are
}

func (t *tally) count(f *Function, alone bool) {
	if f.New {
		if f.Runs != Post {
			t.added++
		}
		return
	}
	t.all++
	switch {
	case f.Runs == Post:
		t.post++
	case f.Runs == Pre && alone:
		t.pre++
	case f.Runs == Pre:
		t.preShared++
	}
}

func (t *tally) state() (State, string) {
	switch {
	case t.all == 0:
		return Undecided, "nothing of it is a function that was there before"
	case t.pre > 0:
		return NotFixed, fmt.Sprintf("%d of %s without the fix", t.pre, count(t.all))
	case t.preShared == t.all:
		return NotFixed, fmt.Sprintf("%d of %s without the fix", t.all, count(t.all))
	case t.post < t.all && t.preShared > 0:
		return Undecided, fmt.Sprintf("%d of %s without the fix, in objects that other fixes change too", t.preShared, count(t.all))
	case t.post < t.all:
		return Undecided, fmt.Sprintf("of %d of %s it can't be told", t.all-t.post, count(t.all))
	case t.added > 0:
		return Undecided, fmt.Sprintf("%s with the fix, and of %d new ones it can't be told", count(t.all), t.added)
	case t.other > 0:
		return Undecided, fmt.Sprintf("%s with the fix; it changes data too, which is not looked at", count(t.all))
	}
	return Fixed, fmt.Sprintf("%s with the fix", count(t.all))
}

func count(n int) string { return words.Count(n, "function") }

// take adds what one more source says.
func (f *Fix) take(s *Source, v verdict) {
	for i := range v.functions {
		v.functions[i].Update = s.Name
	}
	f.Updates, f.Functions = append(f.Updates, s.Name), append(f.Functions, v.functions...)
	switch {
	case f.State == "", f.State == Undecided && v.state != Undecided && f.Why != disputedWhy:
		f.State, f.Why = v.state, v.why
	case v.state != Undecided && f.State != v.state && f.State != Undecided:
		f.State, f.Why = Undecided, disputedWhy
	}
}

// disputedWhy is why a fix is undecided of which two sources say the opposite.
const disputedWhy = "its sources do not agree: one says fixed, and one not"
