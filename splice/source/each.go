package source

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/source/patch"
)

// Each makes an update of each patch alone, and calls done with what became of it, in order. A
// patch that does not apply alone is tried on top of those before it that change the same
// files. One that does not compile alone, or refers to what nobody has, is tried with those
// before it, and with what else came out of the same patch ([patch.Patch.ByFile]), that change
// what is missing. They are in its update then, and [PatchResult].Needs names them.
//
// It goes on after patches that can't be carried, and after those in which something went
// wrong; the error joins the latter. An error of done ends it, and so does ctx.
func (b *Builder) Each(ctx context.Context, patches []*patch.Patch, done func(*Result) error) error {
	if b.tree == nil {
		return errNotOpen
	}
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
// len(patches), or it is an error.
func (b *Builder) One(ctx context.Context, patches []*patch.Patch, i int) (*Result, error) {
	if i < 0 || i >= len(patches) {
		return nil, fmt.Errorf("patch %d of %d", i, len(patches))
	}
	return b.named(ctx, patches, i, Names(b.opt.Module.Name, patches)[i])
}

func (b *Builder) named(ctx context.Context, patches []*patch.Patch, i int, name string) (*Result, error) {
	if b.tree == nil {
		return nil, errNotOpen
	}
	opt := b.opt.Module
	opt.Name = name
	e := &eachOne{Builder: b, opt: opt, patches: patches, i: i, words: map[*patch.Patch]patchWords{}, wide: map[*patch.Patch]bool{}}
	plan, err := b.Plan(ctx, patches[i])
	if err != nil {
		return nil, err
	}
	if plan.failed {
		return e.onTop(ctx, plan)
	}
	return e.grown(ctx, plan)
}

// An eachOne makes the update of one patch of several.
type eachOne struct {
	*Builder
	opt     module.Options
	patches []*patch.Patch
	i       int
	words   map[*patch.Patch]patchWords // see wordsOf
	wide    map[*patch.Patch]bool       // those that too many objects have to be taken along
}

// onTop makes the update of a patch that does not apply alone.
func (e *eachOne) onTop(ctx context.Context, alone *Plan) (*Result, error) {
	needs := before(e.patches[:e.i], e.patches[e.i])
	plan := alone
	if len(needs) > 0 {
		on, err := e.planWith(ctx, needs)
		if err != nil {
			return nil, err
		}
		if !on.failed {
			plan = on
		}
	}
	r, list, err := e.build(ctx, plan, e.opt)
	if err != nil {
		return nil, err
	}
	return needing(r, plan), e.keep(r, plan, list, e.opt)
}

// planWith plans the patch behind others.
func (e *eachOne) planWith(ctx context.Context, others []*patch.Patch) (*Plan, error) {
	return e.Plan(ctx, append(slices.Clone(others), e.patches[e.i])...)
}

// needing names the patches that the last one of a plan stands on.
func needing(r *Result, p *Plan) *Result {
	if r == nil {
		return nil
	}
	n := len(p.Patches) - 1
	for _, x := range p.Patches[:n] {
		r.Patches[n].Needs = append(r.Patches[n].Needs, x.Name)
	}
	return r
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
