package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/internal/cli"
	"github.com/gosplice/gosplice/internal/files"
	"github.com/gosplice/gosplice/internal/visible"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/process"
)

// build makes the update from all pairs of objects.
func (c *command) build(ctx context.Context) (*splice.Update, error) {
	v, err := process.OpenView(ctx, c.pid)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	u, err := c.buildFor(ctx, v.Image())
	if err == nil || errors.Is(err, errNoChange) {
		return u, err
	}
	return nil, cmp.Or(v.Check(), err) // what ends meanwhile does not match
}

// buildFor makes the update for what is mapped.
func (c *command) buildFor(ctx context.Context, img *image.Image) (*splice.Update, error) {
	var parts []splice.Part
	for i := range c.pre {
		d, err := diff(c.pre[i], c.post[i], c.accept)
		if err != nil {
			return nil, err
		}
		if d.Changes() == 0 && len(d.Refusals) == 0 {
			continue
		}
		m, err := reloc.Match(ctx, d.Pre, img, reloc.Options{})
		if err != nil {
			return nil, err
		}
		parts = append(parts, splice.Part{Diff: d, Match: m, Image: img})
	}
	if len(parts) == 0 {
		return nil, errNoChange
	}
	u, err := splice.Build(c.name, parts...)
	if err == nil {
		u.Fixes = c.fixes
	}
	return u, err
}

func diff(pre, post string, accept []finding.Acceptance) (*elfdiff.Diff, error) {
	a, err := elfdiff.Open(pre)
	if err != nil {
		return nil, err
	}
	b, err := elfdiff.Open(post)
	if err != nil {
		return nil, err
	}
	return elfdiff.Compare(a, b, elfdiff.Options{Accept: accept, Types: elfdiff.HasTypes(a) && elfdiff.HasTypes(b)})
}

// update makes the update, or reads it.
func (c *command) update(ctx context.Context) (*splice.Update, error) {
	if c.stored != "" {
		return readUpdate(c.stored)
	}
	if c.outFile != "" {
		if err := files.Output(c.outFile, c.inputs()...); err != nil {
			return nil, err
		}
	}
	u, err := c.build(ctx)
	if err != nil {
		return nil, err
	}
	return u, c.store(u)
}

func (c *command) apply(ctx context.Context) error {
	u, err := c.update(ctx)
	if err != nil {
		return err
	}
	r, err := process.Apply(ctx, c.pid, u, c.options)
	if err != nil {
		return err
	}
	return c.show(r)
}

func (c *command) undo(ctx context.Context) error {
	r, err := process.Revert(ctx, c.pid, c.id, c.options)
	if err != nil {
		return err
	}
	return c.show(r)
}

func (c *command) showStatus(ctx context.Context) error {
	list, err := process.Status(ctx, c.pid)
	if err != nil {
		return err
	}
	if c.asJSON {
		return c.printJSON(statusJSON{splice.ReportSchema, c.pid, list})
	}
	if len(list) == 0 {
		fmt.Fprintf(c.out, "process %d holds no update\n", c.pid)
	}
	for i := range list {
		c.text(&list[i])
	}
	return nil
}

// show prints what was done.
func (c *command) show(r *process.Report) error {
	if c.asJSON {
		return c.printJSON(r)
	}
	c.text(r)
	if r.Pause > 0 {
		fmt.Fprintf(c.out, "  %d threads stopped for %d µs, attempt %d\n", r.Threads, r.Pause/time.Microsecond, r.Attempts)
	}
	return nil
}

func (c *command) text(r *process.Report) {
	state := r.State
	if state == "" {
		state = "removed"
	}
	fmt.Fprintf(c.out, "%s %.12s: %s in process %d, %#x-%#x\n", visible.Text(r.Name), visible.Text(r.ID), state, r.PID, r.Start, r.End)
	for _, d := range r.Redirects {
		fmt.Fprintf(c.out, "  %s (%s)  %s  %s\n", visible.Text(d.Function), visible.Text(d.Module), d.Form, d.Trampoline)
	}
	if r.Kept != "" {
		fmt.Fprintf(c.out, "  memory stays mapped: %s\n", r.Kept)
	}
}

// The JSON documents of what is no [splice.Report] alone, with the version of that.
type (
	statusJSON struct {
		Schema  int              `json:"schema"`
		PID     int              `json:"pid"`
		Updates []process.Report `json:"updates"`
	}
	refusedJSON struct {
		Schema   int               `json:"schema"`
		PID      int               `json:"pid"`
		Refusals []*splice.Refusal `json:"refusals"`
	}
)

func (c *command) printJSON(v any) error { return cli.WriteJSON(c.out, v) }

// refused prints why something was refused, and what can be done about it.
func (c *command) refused(err error, stderr io.Writer) {
	all := finding.Refusals(err)
	for _, r := range all {
		fmt.Fprintf(stderr, "hotpatch: %v\n  hint: %s\n", r, r.Hint)
	}
	var busy *process.BusyError
	if errors.As(err, &busy) {
		for _, b := range busy.Blockers {
			fmt.Fprintf(stderr, "  %v\n", b)
		}
	}
	if c.asJSON {
		_ = c.printJSON(refusedJSON{splice.ReportSchema, c.pid, all})
	}
}
