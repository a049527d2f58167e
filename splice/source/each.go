package source

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/gosplice/gosplice/splice/source/patch"
)

// Each makes an update of each patch alone, and calls done with what became of it, in order. A
// patch that does not apply alone is tried on top of those before it that change the same
// files: they are in its update then, and [PatchResult].Needs names them.
//
// It goes on after patches that can't be carried, and after those in which something went
// wrong; the error joins the latter. An error of done ends it, and so does ctx.
func (b *Builder) Each(ctx context.Context, patches []*patch.Patch, done func(*Result) error) error {
	var failed []error
	names := Names(b.opt.Module.Name, patches)
	for i, p := range patches {
		r, err := b.named(ctx, patches, i, names[i])
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("patch %s: %w", p.Name, err))
			continue
		}
		if err := done(r); err != nil {
			return err
		}
	}
	return errors.Join(failed...)
}

// One makes the update of one patch of several as [Builder.Each] does, for who spreads them
// over machines: it is called the same, and stands on the same patches. i is below
// len(patches).
func (b *Builder) One(ctx context.Context, patches []*patch.Patch, i int) (*Result, error) {
	return b.named(ctx, patches, i, Names(b.opt.Module.Name, patches)[i])
}

func (b *Builder) named(ctx context.Context, patches []*patch.Patch, i int, name string) (*Result, error) {
	opt := b.opt.Module
	opt.Name = name
	return b.one(ctx, patches, i, func(plan *Plan) (*Result, error) {
		r, _, err := b.build(ctx, plan, opt)
		return r, err
	})
}

// one makes the update of one patch of several.
func (b *Builder) one(ctx context.Context, patches []*patch.Patch, i int, build func(*Plan) (*Result, error)) (*Result, error) {
	plan, err := b.Plan(ctx, patches[i])
	if err != nil {
		return nil, err
	}
	needs := before(patches[:i], patches[i])
	if !plan.failed || len(needs) == 0 {
		return build(plan)
	}
	on, err := b.Plan(ctx, append(slices.Clone(needs), patches[i])...)
	if err != nil {
		return nil, err
	}
	if on.failed {
		return build(plan)
	}
	r, err := build(on)
	if err != nil {
		return nil, err
	}
	last := &r.Patches[len(r.Patches)-1]
	for _, n := range needs {
		last.Needs = append(last.Needs, n.Name)
	}
	return r, nil
}

// before lists those of the patches before one that it may stand on: they change the same
// files, or files of one that does.
func before(list []*patch.Patch, p *patch.Patch) []*patch.Patch {
	touched := map[string]bool{}
	touch := func(p *patch.Patch) {
		for _, name := range p.Paths() {
			touched[name] = true
		}
	}
	touch(p)
	var out []*patch.Patch
	for i := len(list) - 1; i >= 0; i-- {
		if slices.ContainsFunc(list[i].Paths(), func(name string) bool { return touched[name] }) {
			touch(list[i])
			out = append(out, list[i])
		}
	}
	slices.Reverse(out)
	return out
}
