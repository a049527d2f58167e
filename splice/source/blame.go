package source

import (
	"context"
	"fmt"
	"maps"
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

// blameObject finds the patch because of which one object is refused. What changes its own source is
// asked first: where the object is as it should be without that, headers that others need stay in.
// Otherwise these alone are at fault.
func (b *Builder) blameObject(ctx context.Context, s *selection, c *compared, why []*finding.Refusal, out map[int][]string) error {
	who := s.touching(c.because)
	if slices.ContainsFunc(who, func(i int) bool { return out[i] != nil }) {
		return nil // without that one, it may be as it should be
	}
	own := s.touching([]string{c.unit().Source})
	refused := func(without []int) ([]*finding.Refusal, error) { return b.refusedObject(ctx, s, c, without) }
	first, why, err := guilty(who, own, why, refused)
	if err != nil || first < 0 {
		return err
	}
	out[first] = texts(c.unit().Object, why)
	return nil
}

// guilty is the first of some patches with which, and with those before it, something is refused as it is with
// all, and why it is then; -1 where there is none. Those of own are asked apart from the others. refused is asked
// without some: what is refused for something else, such as a source that does not compile without a header behind
// it, tells nothing.
func guilty(who, own []int, all []*finding.Refusal, refused func(without []int) ([]*finding.Refusal, error)) (int, []*finding.Refusal, error) {
	var always []int
	if n := len(own); n > 0 && n < len(who) {
		why, err := refused(own)
		if err != nil {
			return -1, nil, err
		}
		if why = alike(why, all); len(why) > 0 {
			who, always, all = slices.DeleteFunc(slices.Clone(who), func(i int) bool { return slices.Contains(own, i) }), own, why
		} else {
			who = own
		}
	}
	if len(who) == 0 {
		return -1, nil, nil
	}
	first, why, err := firstRefused(len(who), all, func(n int) ([]*finding.Refusal, error) {
		why, err := refused(slices.Concat(always, who[n:]))
		return alike(why, all), err
	})
	return who[first], why, err
}

// alike are those of some refusals that others are too: of one code, about one name.
func alike(list, others []*finding.Refusal) []*finding.Refusal {
	return slices.DeleteFunc(slices.Clone(list), func(x *finding.Refusal) bool {
		return !slices.ContainsFunc(others, func(y *finding.Refusal) bool { return x.Code == y.Code && x.Symbol == y.Symbol })
	})
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
	refused := func(without []int) ([]*finding.Refusal, error) { return b.refusedTogether(ctx, s, list, without) }
	if err := s.blameNamed(r.Refusals, list, refused, out); err != nil || len(out) > 0 {
		return err
	}
	first, why, err := guilty(s.touching(files), nil, r.Refusals, refused)
	if err != nil || first < 0 {
		return err
	}
	out[first] = texts("", why)
	return nil
}

// blameNamed blames the only patch that changes what a refusal names. Where that is of several files, the
// one that changes its source is, if the refusal is gone without it; else these are tried one after the other, with
// all that has nothing to do with it: without that, sources may not compile, which tells nothing.
func (s *selection) blameNamed(all []*finding.Refusal, list []compared, refused func(without []int) ([]*finding.Refusal, error), out map[int][]string) error {
	own := map[int][]*finding.Refusal{}
	for _, x := range all {
		files, sources := concerned(x, list)
		if who := s.touching(files); len(who) == 1 {
			out[who[0]] = append(out[who[0]], texts("", []*finding.Refusal{x})...)
		} else if who := s.touching(sources); len(who) == 1 {
			own[who[0]] = append(own[who[0]], x)
		}
	}
	if len(out) == 0 && len(own) > 0 {
		still, err := refused(slices.Sorted(maps.Keys(own)))
		if err != nil {
			return err
		}
		for i, list := range own {
			if len(alike(list, still)) == 0 {
				out[i] = texts("", list)
			}
		}
	}
	if len(out) > 0 {
		return nil
	}
	return s.tryNamed(all, list, refused, out)
}

// tryNamed blames one of several patches that change what a refusal names.
func (s *selection) tryNamed(all []*finding.Refusal, list []compared, refused func(without []int) ([]*finding.Refusal, error), out map[int][]string) error {
	for _, x := range all {
		files, sources := concerned(x, list)
		first, why, err := guilty(s.touching(files), s.touching(sources), []*finding.Refusal{x}, refused)
		if err != nil {
			return err
		}
		if first >= 0 {
			out[first] = texts("", why)
			return nil
		}
	}
	return nil
}

// concerned lists the files of the objects that a refusal names, or that have a change of what
// it names: code, data, a type or a signature; and which of them are their sources.
func concerned(x *finding.Refusal, list []compared) (files, sources []string) {
	for i := range list {
		c := &list[i]
		named := x.Section != "" && (x.Section == c.preFile || x.Section == c.postFile)
		if named || slices.ContainsFunc(c.result.Changes, func(ch Change) bool { return ch.Name == x.Symbol }) || c.changesType(x.Symbol) {
			files, sources = append(files, c.because...), append(sources, c.unit().Source)
		}
	}
	return files, sources
}

// changesType reports whether a type or a signature of a name means something else in an object.
func (c *compared) changesType(name string) bool {
	return c.diff != nil && slices.ContainsFunc(c.diff.TypeFindings(), func(f finding.Finding) bool { return f.Symbol == name })
}

// refusedTogether says why the update of the patches that are in, but for some, is refused.
func (b *Builder) refusedTogether(ctx context.Context, s *selection, list []compared, without []int) ([]*finding.Refusal, error) {
	part := newSelection(s.patches)
	part.out, part.trial = slices.Clone(s.out), true
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
