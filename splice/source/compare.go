package source

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/elfdiff/types"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/ktree"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/splice/module"
)

// compared is an object with what the patches change in it.
type compared struct {
	*compiled
	diff    *elfdiff.Diff // nil where pre and post are the same bytes
	pairs   []module.Pair // one for each target, of what is part of the running kernel
	result  ObjectResult
	refused []*finding.Refusal // why it can't be part of an update, beside those of the comparison
	known   bool               // it is as it was compared and matched before
}

// matters reports whether there is something to carry.
func (c *compared) matters() bool {
	return c.diff != nil && c.diff.Outcome() != elfdiff.OutcomeSame && c.diff.Outcome() != elfdiff.OutcomeIgnored && !c.over()
}

// over reports whether an object is code that has run before the kernel does.
func (c *compared) over() bool { return c.unit().Special != "" && ktree.Over(c.unit().Object) }

// compare compares all objects, and matches those that differ with what runs.
func (b *Builder) compare(ctx context.Context, p *Plan, list []compiled) ([]compared, error) {
	out := make([]compared, len(list))
	for i := range list {
		out[i].compiled = &list[i]
	}
	compareOne := func(ctx context.Context, c *compared) error {
		if c.take(p.earlier[c.unit().Object]) {
			return nil
		}
		return b.compareOne(ctx, c, false)
	}
	if err := b.forAll(ctx, "compare", out, compareOne); err != nil {
		return nil, err
	}
	typed, err := anyTypes(out)
	if err != nil {
		return nil, err
	}
	// What changed types matter to is asked of all that is not given: then it has to be known what
	// is given.
	if typed {
		if err := b.forAll(ctx, "compare", out, b.compareEqual); err != nil {
			return nil, err
		}
	}
	if err := b.forAll(ctx, "match", out, b.matchOne); err != nil || !typed {
		return out, err
	}
	return out, b.giveUnaffected(ctx, p, list, out)
}

// compareEqual compares an object that was compiled, and is the same on both sides.
func (b *Builder) compareEqual(ctx context.Context, c *compared) error {
	if c.diff != nil || c.unaffected != "" {
		return nil
	}
	return b.compareOne(ctx, c, true)
}

// giveUnaffected compiles and matches what was left out, where something that is not given knows a type
// or a function that changed: it may be in that.
func (b *Builder) giveUnaffected(ctx context.Context, p *Plan, list []compiled, out []compared) error {
	var left []compared
	var at []int
	var pairs []module.Pair
	for i := range out {
		pairs = append(pairs, out[i].pairs...)
		if out[i].unaffected != "" {
			left, at = append(left, out[i]), append(at, i)
		}
	}
	if len(left) == 0 {
		return nil
	}
	uses, err := b.image.Affected(ctx, pairs...)
	if err != nil || !slices.ContainsFunc(uses, known) {
		return err
	}
	if err := b.compileUnaffected(ctx, p, list); err != nil {
		return err
	}
	if err := b.forAll(ctx, "compare", left, b.compareEqual); err != nil {
		return err
	}
	err = b.forAll(ctx, "match", left, b.matchOne)
	for i := range left {
		out[at[i]] = left[i]
	}
	return err
}

// known reports whether code knows what changed that may be given yet.
func known(a module.Affected) bool {
	return len(a.Files)+len(a.Functions)+len(a.Places) > 0 || a.DefinedIn != ""
}

// take takes over what was found of an object before, with other patches, and reports whether it can:
// where it is the same on both sides.
func (c *compared) take(e *compared) bool {
	if e == nil || e.diff == nil || e.failed != nil || c.failed != nil || e.unaffected != "" || c.unaffected != "" {
		return false
	}
	u, was := c.unit(), e.unit()
	if c.pre.Digest == c.post.Digest || c.pre.Digest != e.pre.Digest || c.post.Digest != e.post.Digest || c.preFile != e.preFile || c.postFile != e.postFile ||
		u.Module != was.Module || !slices.Equal(u.Modules, was.Modules) || u.Special != was.Special {
		return false
	}
	c.diff, c.pairs, c.result, c.refused = e.diff, slices.Clone(e.pairs), e.result, slices.Clone(e.refused)
	c.result.Because, c.result.Pre, c.result.Post = c.because, c.pre, c.post
	c.known = true
	return true
}

// anyTypes reports whether a type or a signature means something else in an object, and
// others may know it. One without debug information, as a new or a deleted one has it on one side, has no types that
// others know.
func anyTypes(list []compared) (bool, error) {
	for i := range list {
		d := list[i].diff
		if d == nil {
			continue
		}
		found, err := d.Types()
		if err != nil && !errors.Is(err, types.ErrNoTypes) {
			return false, err
		}
		for j := range found {
			if t := &found[j]; t.Matters() && !t.Private && !t.OnStack {
				return true, nil
			}
		}
	}
	return false, nil
}

// forAll does something with all objects, several at once.
func (b *Builder) forAll(ctx context.Context, stage string, list []compared, do func(context.Context, *compared) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(b.opt.Jobs)
	count := b.tell.Begin(stage, len(list))
	for i := range list {
		g.Go(func() error {
			defer count.Done()
			return do(ctx, &list[i])
		})
	}
	return g.Wait()
}

// compareOne compares one object. Equal bytes are compared where that is asked for only.
func (b *Builder) compareOne(ctx context.Context, c *compared, equal bool) error {
	u := c.unit()
	c.result = NewObjectResult(u.Object, u.Source)
	c.result.Target, c.result.Because, c.result.Pre, c.result.Post = u.Module, c.because, c.pre, c.post
	if c.result.NotCompiled = c.unaffected; c.unaffected != "" {
		return nil
	}
	if c.failed != nil {
		c.result.Outcome = elfdiff.OutcomeRefused
		r := refuse(CodeCompile, "", u.Source, "it does not compile")
		r.Err = c.failed
		c.refused = []*finding.Refusal{r} // also when it is compared once more
		return nil
	}
	if c.pre.Digest == c.post.Digest && !equal {
		return nil
	}
	if u.Special != "" {
		is, err := narrow(c.postFile)
		if err != nil {
			return err
		}
		if is {
			return c.compareNarrow()
		}
	}
	pre, err := elfdiff.Open(c.preFile)
	if err != nil {
		return err
	}
	post, err := elfdiff.Open(c.postFile)
	if err != nil {
		return err
	}
	// Types are compared when the module is made: one object alone can't tell whether all
	// that knows a signature is given.
	c.diff, err = elfdiff.CompareContext(ctx, pre, post, elfdiff.Options{
		Tables: true, Accept: b.opt.Accept, InPlace: b.opt.InPlace, Initials: b.opt.Initials,
	})
	if err != nil {
		return fmt.Errorf("compare %s: %w", u.Object, err)
	}
	c.tell()
	return nil
}

// tell notes what differs, and where nothing of it runs any more.
func (c *compared) tell() {
	c.result.Describe(c.diff)
	if !c.over() || c.result.Outcome == elfdiff.OutcomeSame {
		return
	}
	c.result.Outcome, c.result.Refusals = elfdiff.OutcomeIgnored, []*finding.Refusal{}
	f := finding.New(finding.CodeInitCode)
	f.Section, f.Message = c.unit().Object, fmt.Sprintf("it is part of %s, which has run before the kernel does, and runs no more", c.unit().Special)
	c.result.Findings = []finding.Finding{f}
}

// Describe fills in what a comparison found: the outcome, what differs, and what is to be known
// of it. Of none it fills in nothing.
func (r *ObjectResult) Describe(d *elfdiff.Diff) {
	if d == nil {
		return
	}
	r.Outcome = d.Outcome()
	r.Findings = append(r.Findings, d.Findings...)
	for i := range d.Refusals {
		r.Refusals = append(r.Refusals, &d.Refusals[i])
	}
	for _, a := range d.SetAside() {
		r.SetAside = append(r.SetAside, a.String())
	}
	for _, list := range [][]verdict.Change{d.Functions, d.Data} {
		for i := range list {
			ch := &list[i]
			if ch.Status == verdict.Same {
				continue
			}
			x := Change{Name: ch.Name, Kind: ch.Kind.String(), Status: ch.Status.String()}
			if len(ch.Reasons) > 0 {
				x.Why = ch.Reasons[0].String()
			}
			r.Changes = append(r.Changes, x)
		}
	}
}

// matchOne matches what is part of the running kernel with it.
func (b *Builder) matchOne(ctx context.Context, c *compared) error {
	u := c.unit()
	if c.diff == nil || c.known {
		return nil
	}
	if u.Special != "" {
		if c.matters() {
			c.refused = append(c.refused, refuse(CodeSpecial, "", u.Object, "it is part of %s, and changes: %s", u.Special, c.first()))
		}
		return nil
	}
	modules := u.Modules
	if len(modules) == 0 {
		modules = []string{u.Module}
	}
	for _, name := range modules {
		target, img := (*module.Target)(nil), b.image.Run()
		if name != "" {
			var err error
			if target, err = b.targets.get(name); errors.Is(err, errNoModule) {
				if c.matters() {
					c.refused = append(c.refused, b.notShipped(u.Object, name, err))
				}
				continue
			} else if err != nil {
				return err
			}
			img = target.Run()
		}
		m, err := reloc.Match(ctx, c.diff.Pre, img, reloc.Options{})
		if err != nil {
			return fmt.Errorf("match %s: %w", u.Object, err)
		}
		c.pairs = append(c.pairs, module.Pair{Diff: c.diff, Match: m, Target: target})
	}
	return nil
}

// first is the first change, for a message.
func (c *compared) first() string {
	if len(c.result.Changes) == 0 {
		return "no function"
	}
	x := &c.result.Changes[0]
	return fmt.Sprintf("%s %s %s", x.Status, x.Kind, x.Name)
}
