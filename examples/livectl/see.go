package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gosplice/gosplice/internal/cli"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module/running"
)

// limits say how long a transition may take, and what comes then.
type limits struct {
	limit time.Duration
	stay  bool
}

// usualLimit lets livepatch wake tasks three times.
const usualLimit = time.Minute

func limit(f *cli.Flags, s *session) {
	f.DurationVar(&s.limits.limit, "limit", usualLimit, "how long a transition may take, as `TIME` such as 90s")
}

func seeThrough(f *cli.Flags, s *session) {
	limit(f, s)
	f.BoolVar(&s.limits.stay, "stay", false, "leave a transition that takes longer as it is, instead of turning it back")
}

// schema is the version of the JSON of what the commands print.
const schema = 1

// A document is what a command prints as JSON.
type document struct {
	Schema int             `json:"schema"`
	Did    string          `json:"did"` // the command
	List   []splice.Report `json:"list"`
	// Transition is the one that is under way, or was when the limit passed.
	Transition *running.Transition `json:"transition"`
	Error      string              `json:"error"`
}

// document begins what a command prints.
func (s *session) document(did string, list ...splice.Report) *document {
	return &document{Schema: schema, Did: did, List: append([]splice.Report{}, list...)}
}

// print prints what a command did, with its error, which it returns.
func (s *session) print(d *document, err error) (int, error) {
	if err != nil {
		d.Error = err.Error()
	}
	var stuck *running.StuckError
	if errors.As(err, &stuck) {
		d.Transition = stuck.Transition
	}
	if s.asJSON {
		return exitDone, errors.Join(err, cli.WriteJSON(s.stdout, d))
	}
	for i := range d.List {
		s.report(&d.List[i])
	}
	if d.Transition != nil {
		s.transition(d.Transition)
	}
	if stuck != nil && !stuck.Transition.Plain {
		fmt.Fprintf(s.stdout, "  not forced: %s\n", running.Forced)
	}
	return exitDone, err
}

// report prints one livepatch.
func (s *session) report(r *splice.Report) {
	state := string(cmp.Or(r.State, "gone"))
	if r.State == splice.Kept {
		state = "disabled"
	}
	fmt.Fprintf(s.stdout, "%s: %s", r.Name, state)
	if r.ID != "" {
		fmt.Fprintf(s.stdout, ", id %.12s", r.ID)
	}
	if r.State == splice.Kept && r.Kept != "" {
		fmt.Fprintf(s.stdout, "; %s", r.Kept)
	}
	fmt.Fprintln(s.stdout)
	for i := range r.Redirects {
		if f := &r.Redirects[i]; f.Module == "vmlinux" {
			fmt.Fprintf(s.stdout, "  replaces %s\n", f.Function)
		} else {
			fmt.Fprintf(s.stdout, "  replaces %s in %s\n", f.Function, f.Module)
		}
	}
}

// transition prints how far a transition is, and who is in the way.
func (s *session) transition(t *running.Transition) {
	where := "to the new code"
	if t.Back {
		where = "back to the old code"
	}
	fmt.Fprintf(s.stdout, "%s: transition %s: ", t.Name, where)
	if t.Unknown != "" {
		fmt.Fprintf(s.stdout, "tasks can't be told: %s\n", t.Unknown)
	} else {
		fmt.Fprintf(s.stdout, "%d of %d tasks are over\n", t.Done, t.Total)
	}
	for i := range t.Blockers {
		b := &t.Blockers[i]
		kind := "thread"
		if b.Kernel {
			kind = "kernel thread"
		}
		fmt.Fprintf(s.stdout, "  in the way since %s: %s %d (%s), state %s: %s\n    %s\n", since(b.Since), kind, b.TID, b.Name, b.State, b.Why, b.Help)
		if len(b.Stack) > 0 {
			fmt.Fprintf(s.stdout, "    %s\n", strings.Join(b.Stack, " < "))
		}
	}
}

func since(t time.Time) string {
	d := time.Since(t).Round(time.Second)
	if d < time.Second {
		return "now"
	}
	return fmt.Sprint(d)
}

// options are those of a transition, with a line on a terminal for how far it is. done takes
// the line away.
func (s *session) options(what string) (o running.Options, done func()) {
	p := tool().Progress(s.stderr)
	return running.Options{Stay: s.limits.stay, Progress: func(t *running.Transition) {
		if t.Total > 0 {
			p.Tell(what, t.Done, t.Total)
		}
	}}, p.Stop
}

func (s *session) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.limits.limit)
}

func status(ctx context.Context, s *session, _ []string) (int, error) {
	list, err := s.kernel.All(ctx)
	if err != nil {
		return exitError, err
	}
	d := s.document("status", list...)
	for i := range list {
		if list[i].State != splice.Transition {
			continue
		}
		if d.Transition, err = s.kernel.Watch(list[i].Name).Look(ctx); err != nil {
			return exitError, err
		}
	}
	if len(list) == 0 && !s.asJSON {
		fmt.Fprintln(s.stdout, "the kernel has no livepatch")
	}
	return s.print(d, nil)
}

func load(ctx context.Context, s *session, paths []string) (int, error) {
	d := s.document("load")
	files, err := openAll(paths) // before one is loaded
	if err != nil {
		return s.print(d, err)
	}
	for _, f := range files {
		r, err := s.loadOne(ctx, f)
		if err != nil {
			return s.print(d, err)
		}
		d.List = append(d.List, *r)
	}
	return s.print(d, nil)
}

func (s *session) loadOne(ctx context.Context, f *running.File) (*splice.Report, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	o, done := s.options("load " + f.Name)
	defer done()
	return s.kernel.Load(ctx, f, o)
}

func wait(ctx context.Context, s *session, args []string) (int, error) {
	return s.one(ctx, "wait", args[0], func(ctx context.Context, r *splice.Report, o running.Options) error {
		return s.kernel.Wait(ctx, r.Name, o)
	})
}

func disable(ctx context.Context, s *session, args []string) (int, error) {
	return s.one(ctx, "disable", args[0], func(ctx context.Context, r *splice.Report, o running.Options) error {
		return s.kernel.Disable(ctx, r.Name, o)
	})
}

func unload(ctx context.Context, s *session, args []string) (int, error) {
	s.limits.limit = usualLimit
	return s.one(ctx, "unload", args[0], func(ctx context.Context, r *splice.Report, _ running.Options) error {
		return s.kernel.Unload(ctx, r.Name)
	})
}

func revert(ctx context.Context, s *session, args []string) (int, error) {
	name := ""
	if len(args) > 0 {
		name = args[0]
	}
	return s.one(ctx, "revert", name, func(ctx context.Context, r *splice.Report, o running.Options) error {
		if err := s.kernel.Disable(ctx, r.Name, o); err != nil {
			return err
		}
		return s.kernel.Unload(ctx, r.Name)
	})
}

// one does something with one livepatch, within the limit, and prints what became of it. "" is
// the one that was loaded last.
func (s *session) one(ctx context.Context, did, name string, do func(context.Context, *splice.Report, running.Options) error) (int, error) {
	r, err := s.kernel.Find(ctx, name)
	if err != nil {
		return s.print(s.document(did), err)
	}
	limited, cancel := s.within(ctx)
	defer cancel()
	o, done := s.options(did + " " + r.Name)
	err = do(limited, r, o)
	done()
	d := s.document(did)
	after, gone := s.kernel.Find(context.WithoutCancel(ctx), r.Name)
	switch {
	case errors.Is(gone, splice.CodeNotApplied):
		r.State, r.Kept, r.Start, r.End, after = "", "", 0, 0, r
	case gone != nil:
		return s.print(d, errors.Join(err, gone))
	}
	d.List = append(d.List, *after)
	return s.print(d, err)
}
