package source

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/internal/ktree"
	"github.com/gosplice/gosplice/splice/source/patch"
)

// Cumulative makes one update of all patches that can be carried safely together. A patch
// that can't is left out as a whole, never a part of it, and with it those that do not apply
// without it. [Result].Patches says of each whether it is in, why not, and what would bring it
// in.
//
// All are tried together first. What is refused then is traced to a patch by the files of
// the object in question, and where several patches change these, by trying them one after the
// other.
func (b *Builder) Cumulative(ctx context.Context, patches []*patch.Patch) (*Result, error) {
	s := newSelection(patches)
	for {
		plan, err := b.planSelected(ctx, s)
		if err != nil {
			return nil, err
		}
		r, list, err := b.build(ctx, plan, b.opt.Module)
		if err != nil {
			return nil, err
		}
		if len(r.Refusals) == 0 {
			return s.report(r), nil
		}
		out, err := b.blame(ctx, s, r, list)
		if err != nil {
			return nil, err
		}
		if len(out) == 0 {
			return s.report(r), nil
		}
		for i, why := range out {
			s.leaveOut(i, why)
		}
	}
}

// A selection says which patches are in.
type selection struct {
	patches []*patch.Patch
	out     []bool
	reasons [][]string
	needs   [][]string
}

func newSelection(patches []*patch.Patch) *selection {
	return &selection{patches: patches, out: make([]bool, len(patches)), reasons: make([][]string, len(patches)), needs: make([][]string, len(patches))}
}

func (s *selection) leaveOut(i int, reasons []string) {
	s.out[i], s.reasons[i] = true, reasons
}

// in lists the patches that are in, but for some.
func (s *selection) in(without map[int]bool) []int {
	var out []int
	for i := range s.patches {
		if !s.out[i] && !without[i] {
			out = append(out, i)
		}
	}
	return out
}

// touching lists the patches that are in and change one of the files.
func (s *selection) touching(files []string) []int {
	return slices.DeleteFunc(s.in(nil), func(i int) bool {
		return !slices.ContainsFunc(s.patches[i].Paths(), func(name string) bool { return slices.Contains(files, name) })
	})
}

// report adds what became of the patches that are not in.
func (s *selection) report(r *Result) *Result {
	by := map[*patch.Patch]*PatchResult{}
	k := 0
	for i, p := range s.patches {
		if !s.out[i] {
			by[p] = &r.Patches[k]
			k++
		}
	}
	all := make([]PatchResult, len(s.patches))
	for i, p := range s.patches {
		if in := by[p]; in != nil {
			all[i] = *in
			continue
		}
		all[i] = resultOf(p)
		all[i].Reasons = append(all[i].Reasons, s.reasons[i]...)
		all[i].Needs = append(all[i].Needs, s.needs[i]...)
	}
	r.Patches = all
	return r
}

// apply applies patches in order to a tree. failed is called for those that do not apply.
func (b *Builder) apply(list []*patch.Patch, failed func(i int, err error)) *patch.Tree {
	t := patch.NewTree(os.DirFS(b.tree.Dir()))
	for i, p := range list {
		if err := t.Apply(p); err != nil {
			failed(i, err)
		}
	}
	return t
}

// planSelected is Plan of what is in. What does not apply is left out.
func (b *Builder) planSelected(ctx context.Context, s *selection) (*Plan, error) {
	began := time.Now()
	at := s.in(nil)
	list := make([]*patch.Patch, len(at))
	for k, i := range at {
		list[k] = s.patches[i]
	}
	tree := b.apply(list, func(k int, err error) {
		i := at[k]
		s.leaveOut(i, []string{err.Error()})
		for j := range i {
			if s.out[j] && len(before(s.patches[j:j+1], s.patches[i])) > 0 {
				s.needs[i] = append(s.needs[i], s.patches[j].Name)
			}
		}
	})
	p := &Plan{overlay: ktree.Overlay(tree.Changed())}
	for _, i := range s.in(nil) {
		p.Patches = append(p.Patches, s.patches[i])
	}
	if err := b.affect(ctx, p); err != nil {
		return nil, err
	}
	p.stages = append(p.stages, Stage{"plan", time.Since(began)})
	return p, nil
}

// blame says which patches a refused result is to be made without, and why.
func (b *Builder) blame(ctx context.Context, s *selection, r *Result, list []compared) (map[int][]string, error) {
	out := map[int][]string{}
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

// blameObject finds the patch because of which one object is refused.
func (b *Builder) blameObject(ctx context.Context, s *selection, c *compared, why []*finding.Refusal, out map[int][]string) error {
	who := s.touching(c.because)
	if slices.ContainsFunc(who, func(i int) bool { return out[i] != nil }) {
		return nil // without that one, it may be as it should be
	}
	if len(who) == 0 {
		return nil
	}
	first := len(who) - 1
	if len(who) > 1 {
		var err error
		first, err = firstBad(len(who), func(n int) (bool, error) { return b.badObject(ctx, s, c, who[n:]) })
		if err != nil {
			return err
		}
	}
	out[who[first]] = texts(c.unit().Object, why)
	return nil
}

// badObject reports whether an object is refused with the patches that are in, but for some.
func (b *Builder) badObject(ctx context.Context, s *selection, c *compared, without []int) (bool, error) {
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
		return false, err
	}
	got, err := b.compare(ctx, p, made)
	if err != nil {
		return false, err
	}
	return len(got[0].refused)+len(got[0].result.Refusals) > 0, nil
}

// blameAll finds the patch because of which all objects together are refused.
func (b *Builder) blameAll(ctx context.Context, s *selection, r *Result, list []compared, out map[int][]string) error {
	var files []string
	for i := range list {
		if list[i].matters() {
			files = append(files, list[i].because...)
		}
	}
	if who := s.touching(concerned(r, list)); len(who) == 1 {
		out[who[0]] = texts("", r.Refusals)
		return nil
	}
	who := s.touching(files)
	if len(who) == 0 {
		return nil
	}
	first, err := firstBad(len(who), func(n int) (bool, error) { return b.badTogether(ctx, s, who[n:]) })
	if err != nil {
		return err
	}
	out[who[first]] = texts("", r.Refusals)
	return nil
}

// concerned lists the files of the objects that have a change of what the first refusal names.
func concerned(r *Result, list []compared) []string {
	var files []string
	for i := range list {
		if slices.ContainsFunc(list[i].result.Changes, func(ch Change) bool { return ch.Name == r.Refusals[0].Symbol }) {
			files = append(files, list[i].because...)
		}
	}
	return files
}

// badTogether reports whether the update of the patches that are in, but for some, is refused.
func (b *Builder) badTogether(ctx context.Context, s *selection, without []int) (bool, error) {
	part := &selection{patches: s.patches, out: slices.Clone(s.out), reasons: make([][]string, len(s.out)), needs: make([][]string, len(s.out))}
	for _, i := range without {
		part.out[i] = true
	}
	p, err := b.planSelected(ctx, part)
	if err != nil {
		return false, err
	}
	r, _, err := b.build(ctx, p, b.opt.Module)
	return err == nil && len(r.Refusals) > 0, err
}

// firstBad finds the first of n things with which, and with those before it, something is
// bad, as it is with all: bad is asked with how many of them. Less than that is taken for good
// where a number above it was.
func firstBad(n int, bad func(n int) (bool, error)) (int, error) {
	lo, hi := 0, n // with lo it is good, with hi bad
	for hi-lo > 1 {
		mid := (lo + hi) / 2
		is, err := bad(mid)
		if err != nil {
			return 0, err
		}
		if is {
			hi = mid
		} else {
			lo = mid
		}
	}
	return hi - 1, nil
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
