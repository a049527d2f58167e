package source

import (
	"context"
	"os"
	"slices"
	"time"

	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/internal/ktree"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/source/patch"
)

// Cumulative makes one update of all patches that can be carried safely together. A patch
// that can't is left out as a whole, never a part of it, and with it those that do not apply
// without it, and later ones that have a function, a macro or the type of a member which it changes: what it
// moves from one into another is not to be in one of both. [Result].Patches says of each whether it is in, why
// not, and what would bring it in.
//
// All are tried together first. What is refused then is traced to a patch by the files of
// the object in question. Where several patches change these, those of its own source come first, and then they are
// tried one after the other.
func (b *Builder) Cumulative(ctx context.Context, patches []*patch.Patch) (*Result, error) {
	if b.tree == nil {
		return nil, errNotOpen
	}
	s := newSelection(patches)
	s.around = &surroundings{base: os.DirFS(b.subject.Dir())}
	var earlier map[string]*compared
	for {
		plan, err := b.planSelected(ctx, s)
		if err != nil {
			return nil, err
		}
		plan.earlier = earlier
		r, list, err := b.build(ctx, plan, b.opt.Module)
		if err != nil {
			return nil, err
		}
		if len(r.Refusals) == 0 || lost(r.Refusals) { // fewer patches would not bring back what is lost
			return s.report(r), b.keep(r, plan, list, b.opt.Module)
		}
		earlier = byObject(list)
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

// byObject are objects by path.
func byObject(list []compared) map[string]*compared {
	out := make(map[string]*compared, len(list))
	for i := range list {
		out[list[i].unit().Object] = &list[i]
	}
	return out
}

// lost reports whether something an earlier update does is in the way.
func lost(list []*finding.Refusal) bool {
	return slices.ContainsFunc(list, func(r *finding.Refusal) bool {
		return r.Code == finding.CodeLost || r.Code == module.CodeEarlier
	})
}

// A selection says which patches are in.
type selection struct {
	patches []*patch.Patch
	out     []bool
	reasons [][]string
	needs   [][]string

	trial    bool // what is left out is left out to see what comes of it: nothing follows
	words    []patchWords
	followed []bool // what may need it is left out
	kins     []*[]touched
	around   *surroundings
	made     map[string]map[string]bool // files that objects are made of for which patches were in, by source
}

func newSelection(patches []*patch.Patch) *selection {
	n := len(patches)
	return &selection{
		patches: patches, out: make([]bool, n), reasons: make([][]string, n), needs: make([][]string, n), made: map[string]map[string]bool{},
	}
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
	if (r.Outcome == OutcomeNoChange || r.Outcome == OutcomeIgnored) && slices.Contains(s.out, true) {
		r.Outcome = OutcomeRefused // that nothing is left to carry is no success
	}
	return r
}

// apply applies patches in order to a tree. failed is called for those that do not apply.
func (b *Builder) apply(list []*patch.Patch, failed func(i int, err error)) *patch.Tree {
	t := patch.NewTree(os.DirFS(b.subject.Dir()))
	for i, p := range list {
		if err := t.Apply(p); err != nil {
			failed(i, err)
		}
	}
	return t
}

// planSelected is Plan of what is in. What does not apply is left out, and what may need that.
func (b *Builder) planSelected(ctx context.Context, s *selection) (*Plan, error) {
	began := time.Now()
	s.follow()
	tree := b.applySelected(s)
	for s.follow() {
		tree = b.applySelected(s)
	}
	p := &Plan{overlay: ktree.Overlay(tree.Changed())}
	for _, i := range s.in(nil) {
		p.Patches = append(p.Patches, s.patches[i])
	}
	if err := b.affect(ctx, p); err != nil {
		return nil, err
	}
	if !s.trial {
		s.note(p)
	}
	p.stages = append(p.stages, Stage{"plan", time.Since(began)})
	return p, nil
}

// note notes what objects of a plan are made of.
func (s *selection) note(p *Plan) {
	for i := range p.units {
		u := &p.units[i]
		has := s.made[u.unit().Source]
		if has == nil {
			has = map[string]bool{}
			s.made[u.unit().Source] = has
		}
		for _, name := range u.because {
			has[name] = true
		}
	}
}

// applySelected applies what is in. What does not apply is left out.
func (b *Builder) applySelected(s *selection) *patch.Tree {
	at := s.in(nil)
	list := make([]*patch.Patch, len(at))
	for k, i := range at {
		list[k] = s.patches[i]
	}
	return b.apply(list, func(k int, err error) {
		i := at[k]
		s.leaveOut(i, []string{err.Error()})
		for j := range i {
			if s.out[j] && len(before(s.patches[j:j+1], s.patches[i])) > 0 {
				s.needs[i] = append(s.needs[i], s.patches[j].Name)
			}
		}
	})
}
