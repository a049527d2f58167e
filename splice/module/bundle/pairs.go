package bundle

import (
	"context"
	"fmt"
	"slices"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/splice/module"
)

// CodeVerdicts is the refusal of a bundle whose objects are compared otherwise here than where it
// was made.
const CodeVerdicts finding.Code = "other-verdicts"

// Pairs compares the objects again, matches them with a kernel, and returns what module.Build takes.
// modules opens a module of that kernel by its name; it is asked for those that the objects are part
// of. words is what a person accepts beside what was accepted when the bundle was made.
//
// What the new code takes from its source, and a kernel of another build is not proven to have, is
// in the findings of the pairs: module.Build refuses what nobody accepts.
func (b *Bundle) Pairs(ctx context.Context, k *module.Kernel, modules func(name string) (*module.Target, error), words []elfdiff.Acceptance) ([]module.Pair, error) {
	var out []module.Pair
	accept, types := append(b.accept(), words...), loadTypes(k)
	for i := range b.Objects {
		pairs, err := b.pairs(ctx, &b.Objects[i], types, modules, accept)
		if err != nil {
			return nil, err
		}
		out = append(out, pairs...)
	}
	return out, nil
}

func (b *Bundle) pairs(ctx context.Context, o *Object, types *loadedTypes, modules func(string) (*module.Target, error), accept []elfdiff.Acceptance) ([]module.Pair, error) {
	var out []module.Pair
	k := types.kernel
	for _, p := range o.Parts {
		d, err := b.compare(ctx, o, accept) // each part has findings of its own
		if err != nil {
			return nil, err
		}
		pair := module.Pair{Diff: d, Fixes: o.Fixes}
		run, id := k.Run(), k.BuildID()
		if p.Module != "" {
			if pair.Target, err = modules(p.Module); err != nil {
				return nil, fmt.Errorf("bundle: %s: module %s: %w", o.Name, p.Module, err)
			}
			run, id = pair.Target.Run(), pair.Target.BuildID()
		}
		if pair.Match, err = reloc.Match(ctx, d.Pre, run, reloc.Options{}); err != nil {
			return nil, fmt.Errorf("bundle: match %s: %w", o.Name, err)
		}
		if fmt.Sprintf("%x", id) != p.BuildID || fmt.Sprintf("%x", k.BuildID()) != b.Made.BuildID {
			if err := b.fit(o, &pair, types, accept); err != nil {
				return nil, fmt.Errorf("bundle: %s: %w", o.Name, err)
			}
		}
		out = append(out, pair)
	}
	return out, nil
}

// compare compares the sides of an object again: it has to find what was found where it was made.
func (b *Bundle) compare(ctx context.Context, o *Object, accept []elfdiff.Acceptance) (*elfdiff.Diff, error) {
	pre, err := open(o.Name, o.Pre)
	if err != nil {
		return nil, err
	}
	post, err := open(o.Name, o.Post)
	if err != nil {
		return nil, err
	}
	// Types are compared when the module is made, as with objects of a source.
	d, err := elfdiff.CompareContext(ctx, pre, post, elfdiff.Options{Tables: true, Accept: accept, InPlace: b.Terms.InPlace, Initials: b.Terms.Initials})
	if err != nil {
		return nil, fmt.Errorf("bundle: compare %s: %w", o.Name, err)
	}
	if !slices.Equal(verdicts(d), o.Verdicts) {
		r := finding.Refuse(CodeVerdicts, "", o.Name, 0, "what differs is not what was found when the bundle was made")
		r.Hint = "make the bundle with the version of this program that takes it"
		return nil, fmt.Errorf("bundle: %w", r)
	}
	return d, nil
}

// fit adds to the findings of a comparison what is not proven of another build.
func (b *Bundle) fit(o *Object, p *module.Pair, k *loadedTypes, accept []elfdiff.Acceptance) error {
	d := p.Diff
	if d.Changes() == 0 || !allMatched(p) {
		return nil // nothing is carried, or the refusal is that it does not match
	}
	found, err := b.unproven(o, p, k)
	if err != nil {
		return err
	}
	for _, f := range found {
		if f.AcceptedBy(accept) {
			d.Findings = append(d.Findings, f)
		} else {
			d.Refusals = append(d.Refusals, elfdiff.Refusal{Finding: f})
		}
	}
	return nil
}

// allMatched reports whether all functions are found that are going to be replaced.
func allMatched(p *module.Pair) bool {
	for i := range p.Diff.Functions {
		ch := &p.Diff.Functions[i]
		if ch.Status != verdict.Changed || ch.Pre == object.NoAtom {
			continue
		}
		if f := p.Match.Func(ch.Pre); f == nil || f.Verdict != reloc.Matched {
			return false
		}
	}
	return true
}
