package source

import (
	"context"
	"fmt"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/internal/ktree"
	"github.com/gosplice/gosplice/splice/source/patch"
)

// blame says which patches a refused result is to be made without, and why.
func (b *Builder) blame(ctx context.Context, s *selection, r *Result, list []compared) (map[int][]string, error) {
	out := map[int][]string{}
	if list == nil {
		s.blameFiles(r.Refusals, out)
		return out, nil
	}
	objects := false
	for i := range list {
		c := &list[i]
		why := slices.Concat(c.refused, c.result.Refusals)
		if len(why) == 0 {
			continue
		}
		objects = true
		if err := b.blameObject(ctx, s, c, why, out); err != nil {
			return nil, err
		}
	}
	if objects {
		return out, nil
	}
	return out, b.blameAll(ctx, s, r, list, out)
}

// blameFiles blames all patches of the files that a plan is refused for.
func (s *selection) blameFiles(list []*finding.Refusal, out map[int][]string) {
	for _, r := range list {
		for _, i := range s.touching([]string{r.Section}) {
			out[i] = append(out[i], r.Error())
		}
	}
}

// blameObject finds the patch because of which one object is refused.
func (b *Builder) blameObject(ctx context.Context, s *selection, c *compared, why []*finding.Refusal, out map[int][]string) error {
	who := s.touching(c.because)
	if slices.ContainsFunc(who, func(i int) bool { return out[i] != nil }) {
		return nil // without that one, it may be as it should be
	}
	if len(who) == 0 {
		return nil
	}
	first, why, err := firstRefused(len(who), why, func(n int) ([]*finding.Refusal, error) { return b.refusedObject(ctx, s, c, who[n:]) })
	if err != nil {
		return err
	}
	out[who[first]] = texts(c.unit().Object, why)
	return nil
}

// refusedObject says why an object is refused with the patches that are in, but for some.
func (b *Builder) refusedObject(ctx context.Context, s *selection, c *compared, without []int) ([]*finding.Refusal, error) {
	less := map[int]bool{}
	for _, i := range without {
		less[i] = true
	}
	var patches []*patch.Patch
	for _, i := range s.in(less) {
		patches = append(patches, s.patches[i])
	}
	tree := b.apply(patches, func(int, error) {})
	p := &Plan{overlay: ktree.Overlay(tree.Changed()), units: []planned{*c.planned}}
	made, err := b.compile(ctx, p)
	if err != nil {
		return nil, err
	}
	got, err := b.compare(ctx, p, made)
	if err != nil {
		return nil, err
	}
	return slices.Concat(got[0].refused, got[0].result.Refusals), nil
}

// blameAll finds the patch because of which all objects together are refused.
func (b *Builder) blameAll(ctx context.Context, s *selection, r *Result, list []compared, out map[int][]string) error {
	var files []string
	for i := range list {
		if list[i].matters() {
			files = append(files, list[i].because...)
		}
	}
	for _, x := range r.Refusals {
		if who := s.touching(concerned(x, list)); len(who) == 1 {
			out[who[0]] = append(out[who[0]], texts("", []*finding.Refusal{x})...)
		}
	}
	if len(out) > 0 {
		return nil
	}
	who := s.touching(files)
	if len(who) == 0 {
		return nil
	}
	first, why, err := firstRefused(len(who), r.Refusals, func(n int) ([]*finding.Refusal, error) { return b.refusedTogether(ctx, s, list, who[n:]) })
	if err != nil {
		return err
	}
	out[who[first]] = texts("", why)
	return nil
}

// concerned lists the files of the objects that a refusal names, or that have a change of what
// it names: code, data, a type or a signature.
func concerned(x *finding.Refusal, list []compared) []string {
	var files []string
	for i := range list {
		c := &list[i]
		named := x.Section != "" && (x.Section == c.preFile || x.Section == c.postFile)
		if named || slices.ContainsFunc(c.result.Changes, func(ch Change) bool { return ch.Name == x.Symbol }) || c.changesType(x.Symbol) {
			files = append(files, c.because...)
		}
	}
	return files
}

// changesType reports whether a type or a signature of a name means something else in an object.
func (c *compared) changesType(name string) bool {
	return c.diff != nil && slices.ContainsFunc(c.diff.TypeFindings(), func(f finding.Finding) bool { return f.Symbol == name })
}

// refusedTogether says why the update of the patches that are in, but for some, is refused.
func (b *Builder) refusedTogether(ctx context.Context, s *selection, list []compared, without []int) ([]*finding.Refusal, error) {
	part := &selection{patches: s.patches, out: slices.Clone(s.out), reasons: make([][]string, len(s.out)), needs: make([][]string, len(s.out)), trial: true}
	for _, i := range without {
		part.out[i] = true
	}
	p, err := b.planSelected(ctx, part)
	if err != nil {
		return nil, err
	}
	p.earlier = byObject(list)
	r, _, err := b.build(ctx, p, b.opt.Module)
	if err != nil {
		return nil, err
	}
	return r.Refusals, nil
}

// firstRefused finds the first of n things with which, and with those before it, something is
// refused, as it is with all, and why it is then: what follows may be refused for more. refused
// is asked with how many of them. Less than that is taken for good where a number above it was.
func firstRefused(n int, all []*finding.Refusal, refused func(n int) ([]*finding.Refusal, error)) (int, []*finding.Refusal, error) {
	lo, hi := 0, n // with lo it is made, with hi refused
	for hi-lo > 1 {
		mid := (lo + hi) / 2
		why, err := refused(mid)
		if err != nil {
			return 0, nil, err
		}
		if len(why) > 0 {
			hi, all = mid, why
		} else {
			lo = mid
		}
	}
	return hi - 1, all, nil
}

// texts are refusals for a person.
func texts(object string, list []*finding.Refusal) []string {
	var out []string
	for _, r := range list {
		text := r.Error()
		if object != "" {
			text = fmt.Sprintf("%s: %s", object, text)
		}
		if !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out
}
