package source

import (
	"context"
	"slices"
	"time"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/source/patch"
)

// Build makes the update of a plan. What can't be carried is in the result; an error is for
// what went wrong.
func (b *Builder) Build(ctx context.Context, p *Plan) (*Result, error) {
	r, list, err := b.build(ctx, p, b.opt.Module)
	if err != nil {
		return nil, err
	}
	return r, b.keep(r, p, list, b.opt.Module)
}

// build is Build with other options for the module, and with what was compared.
func (b *Builder) build(ctx context.Context, p *Plan, opt module.Options) (*Result, []compared, error) {
	if b.tree == nil || p == nil {
		return nil, nil, errNotOpen
	}
	told := len(opt.Fixes) > 0 // not by the patches
	r := b.newResult(p, &opt)
	if len(p.Refusals) > 0 {
		r.conclude(p.failed, nil)
		return r, nil, nil
	}
	clock := stopwatch{r: r, at: time.Now()}
	objects, err := b.compile(ctx, p)
	if err != nil {
		return nil, nil, err
	}
	clock.lap("compile")
	list, err := b.compare(ctx, p, objects)
	if err != nil {
		return nil, nil, err
	}
	clock.lap("compare and match")
	if !told {
		attribute(list, p.Patches)
	}
	if err := b.link(ctx, r, list, opt); err != nil {
		return nil, nil, err
	}
	clock.lap("link")
	failed := slices.ContainsFunc(list, func(c compared) bool { return c.failed != nil })
	r.conclude(failed, list)
	return r, list, nil
}

// attribute notes which fixes each pair belongs to. A patch that names none counts by its own
// name, so that nobody takes what it changes for a part of another fix.
func attribute(list []compared, patches []*patch.Patch) {
	for i := range list {
		var fixes []string
		for _, p := range patches {
			if !slices.ContainsFunc(p.Files, func(f patch.File) bool {
				return slices.Contains(list[i].because, f.Old) || slices.Contains(list[i].because, f.New)
			}) {
				continue
			}
			if len(p.CVEs) == 0 {
				fixes = append(fixes, oneLine(p.Name))
			}
			fixes = append(fixes, p.CVEs...)
		}
		for k := range list[i].pairs {
			list[i].pairs[k].Fixes = fixes
		}
	}
}

// newResult is the result of a plan before anything is done.
func (b *Builder) newResult(p *Plan, opt *module.Options) *Result {
	opt.Patches = nil
	for _, x := range p.Patches {
		opt.Patches = append(opt.Patches, module.SourcePatch{Name: oneLine(x.Name), Digest: x.Digest})
	}
	opt.Fixes, opt.Description = describe(opt.Fixes, opt.Description, p.Patches)
	if opt.Progress == nil && b.opt.Progress != nil {
		opt.Progress = b.opt.Progress
	}
	opt.Accept = append(slices.Clip(opt.Accept), b.opt.Accept...)
	r := &Result{
		Schema: Schema, Name: opt.Name, Kernel: b.Identity(), Patches: []PatchResult{}, Files: p.Files, Objects: []ObjectResult{},
		Refusals: append([]*finding.Refusal{}, p.Refusals...), Findings: []finding.Finding{}, Affected: []module.Affected{},
		Stages: slices.Clone(p.stages),
	}
	if r.Files == nil {
		r.Files = []FileResult{}
	}
	for _, x := range p.Patches {
		r.Patches = append(r.Patches, resultOf(x))
	}
	return r
}

// resultOf is what a patch says of itself.
func resultOf(p *patch.Patch) PatchResult {
	return PatchResult{
		Name: p.Name, Digest: p.Digest, Subject: p.Subject, Author: p.Author, CVEs: append([]string{}, p.CVEs...),
		Fixes: append([]string{}, p.Fixes...), In: Nothing, Reasons: []string{}, Needs: []string{},
	}
}

// link makes the module of what was compared.
func (b *Builder) link(ctx context.Context, r *Result, list []compared, opt module.Options) error {
	var pairs []module.Pair
	matters := false
	for i := range list {
		c := &list[i]
		pairs = append(pairs, c.pairs...)
		r.Objects = append(r.Objects, c.result)
		r.Refusals = append(r.Refusals, c.refused...)
		matters = matters || c.matters()
	}
	if !matters || len(r.Refusals) > 0 {
		for i := range list {
			r.Refusals = append(r.Refusals, list[i].result.Refusals...)
		}
		if len(r.Refusals) == 0 {
			r.moduleStarts(list, opt.Accept)
		}
		return nil
	}
	if taken, err := b.targets.taken(opt.Name); err != nil {
		return err
	} else if taken != nil {
		r.Refusals = append(r.Refusals, taken)
		return nil
	}
	m, err := module.BuildContext(ctx, b.image, opt, pairs...)
	if err == nil {
		r.Update = m
		r.Findings = append(r.Findings, m.Findings...)
		return nil
	}
	var c collected
	if err := c.add(err); err != nil {
		return err
	}
	b.explain(c.refusals)
	r.Refusals = append(r.Refusals, c.refusals...)
	r.Affected = append(r.Affected, c.affected...)
	r.preferReasons(list)
	return nil
}

// moduleStarts judges that nothing is carried of what modules do when they are loaded: the next time too, they do it by
// the old code.
func (r *Result) moduleStarts(list []compared, words []finding.Acceptance) {
	for i := range list {
		c := &list[i]
		if u := c.unit(); u.Module == "" && len(u.Modules) == 0 || c.result.Outcome != elfdiff.OutcomeIgnored {
			continue
		}
		for _, f := range c.result.Findings {
			if f.Code != finding.CodeInitCode {
				continue
			}
			x := finding.New(finding.CodeModuleStart)
			x.Symbol, x.Section, x.Offset, x.Message = f.Symbol, f.Section, f.Offset, "it runs when "+c.result.Target+" is loaded, and nothing else of the patch can be carried"
			if x.AcceptedBy(words) {
				r.Findings = append(r.Findings, x)
			} else {
				r.Refusals = append(r.Refusals, &finding.Refusal{Finding: x})
			}
		}
	}
}

// preferReasons has the refusals of the comparison stand for there being nothing left to do
// without what they refuse.
func (r *Result) preferReasons(list []compared) {
	var why []*finding.Refusal
	for i := range list {
		why = append(why, list[i].result.Refusals...)
	}
	if len(why) > 0 && len(r.Refusals) == 1 && r.Refusals[0].Code == splice.CodeNothing {
		r.Refusals = why
	}
}

// conclude says what became of it all.
func (r *Result) conclude(failed bool, list []compared) {
	r.Outcome = OutcomeNoChange
	for i := range list {
		if r.Outcome == OutcomeNoChange && list[i].result.Outcome == elfdiff.OutcomeIgnored {
			r.Outcome = OutcomeIgnored
		}
	}
	switch {
	case failed:
		r.Outcome = OutcomeFailed
	case r.Update != nil:
		r.Outcome = OutcomeMade
	case len(r.Refusals) > 0:
		r.Outcome = OutcomeJudge
		for _, x := range r.Refusals {
			if x.Severity == finding.Refused {
				r.Outcome = OutcomeRefused
			}
		}
	}
	if r.Outcome != OutcomeMade {
		return
	}
	for i := range r.Patches {
		r.Patches[i].In = Whole
	}
}

// stopwatch notes how long the stages of a result take.
type stopwatch struct {
	r  *Result
	at time.Time
}

func (s *stopwatch) lap(name string) {
	now := time.Now()
	s.r.Stages = append(s.r.Stages, Stage{name, now.Sub(s.at)})
	s.at = now
}
