package source

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/internal/ktree"
	"github.com/gosplice/gosplice/internal/patchheaders"
	"github.com/gosplice/gosplice/splice/source/patch"
)

// A Plan is what patches affect, before anything is compiled. It is immutable.
type Plan struct {
	Patches []*patch.Patch
	// Files are what they change, by path.
	Files []FileResult
	// Objects are what is going to be compiled, by path.
	Objects []Planned
	// Refusals are what is known by now to be in the way.
	Refusals []*finding.Refusal

	failed  bool // a patch does not apply
	overlay ktree.Overlay
	units   []planned
	stages  []Stage
	// earlier is what was found of objects with more of the patches, by path.
	earlier map[string]*compared
}

// A Planned object is one that is going to be compiled, without and with the patches.
type Planned struct {
	Object  string   `json:"object"`
	Source  string   `json:"source"`
	Target  string   `json:"target"`  // the module that it is part of, "" for the kernel itself
	Because []string `json:"because"` // the files of the patches that it is compiled for
}

// planned is an object with how it is made: before, nil where it is new, and after, nil where
// it is gone.
type planned struct {
	pre, post *ktree.Unit
	because   []string
}

// unit is the one that says where the object belongs.
func (p *planned) unit() *ktree.Unit {
	if p.post != nil {
		return p.post
	}
	return p.pre
}

// Plan applies patches, one after the other, and finds what they affect. That a patch does
// not apply is a refusal of the plan.
func (b *Builder) Plan(ctx context.Context, patches ...*patch.Patch) (*Plan, error) {
	if b.tree == nil {
		return nil, errNotOpen
	}
	began := time.Now()
	p := &Plan{Patches: patches}
	if p.Refusals = b.ofKernel(patches); len(p.Refusals) > 0 {
		p.failed = true
		return p, nil
	}
	tree := patch.NewTree(os.DirFS(b.subject.Dir()))
	for _, x := range patches {
		err := tree.Apply(x)
		if err == nil {
			continue
		}
		p.failed = true
		var c collected
		if err := c.add(err); err != nil {
			return nil, fmt.Errorf("patch %s: %w", x.Name, err)
		}
		p.Refusals = append(p.Refusals, c.refusals...)
		return p, nil
	}
	p.overlay = ktree.Overlay(tree.Changed())
	if err := b.affect(ctx, p); err != nil {
		return nil, err
	}
	p.stages = append(p.stages, Stage{"plan", time.Since(began)})
	return p, nil
}

// affect finds the objects of a plan.
func (b *Builder) affect(ctx context.Context, p *Plan) error {
	by := map[string]*planned{}
	if err := b.files(p); err != nil {
		return err
	}
	if err := b.addHeaders(p); err != nil {
		return err
	}
	if err := b.effects(ctx, p, by); err != nil {
		return err
	}
	count := b.tell.Begin("affected", len(p.Files))
	for i := range p.Files {
		if err := b.dependents(ctx, p, &p.Files[i], by); err != nil {
			return err
		}
		count.Done()
	}
	for _, name := range slices.Sorted(maps.Keys(by)) {
		u := by[name]
		slices.Sort(u.because)
		u.because = slices.Compact(u.because)
		p.units = append(p.units, *u)
		p.Objects = append(p.Objects, Planned{name, u.unit().Source, u.unit().Module, u.because})
	}
	return nil
}

// files lists what the patches change.
func (b *Builder) files(p *Plan) error {
	for _, name := range slices.Sorted(maps.Keys(p.overlay)) {
		f := FileResult{Path: name, Change: "modified"}
		f.Kind, f.Note = b.classify(name)
		_, err := b.subject.Stat(name)
		switch {
		case p.overlay[name] == nil:
			f.Change = "deleted"
		case errors.Is(err, os.ErrNotExist):
			f.Change = "new"
		case err != nil:
			return err
		}
		p.Files = append(p.Files, f)
	}
	return nil
}

// addHeaders adds the headers for authors of patches where a file of the patches includes one
// that the source does not have.
func (b *Builder) addHeaders(p *Plan) error {
	headers := patchheaders.Files()
	asked := false
	for _, text := range p.overlay {
		for name := range headers {
			asked = asked || bytes.Contains(text, []byte(path.Base(name)))
		}
	}
	if !asked {
		return nil
	}
	p.overlay = maps.Clone(p.overlay)
	for name, text := range headers {
		if b.elsewhere != nil {
			name = b.elsewhere.OfKernel(name)
		}
		_, err := b.subject.Stat(name)
		if _, own := p.overlay[name]; own || err == nil {
			continue
		}
		if !errors.Is(err, os.ErrNotExist) {
			return err
		}
		p.overlay[name] = text
	}
	return nil
}

// effects follows changes of how the kernel is built.
func (b *Builder) effects(ctx context.Context, p *Plan, by map[string]*planned) error {
	e, err := b.subject.Effects(ctx, p.overlay)
	if err != nil {
		return err
	}
	for _, x := range e.Refused {
		code := CodeBuild
		if x.Image != "" {
			code = CodeSpecial
		}
		p.Refusals = append(p.Refusals, refuse(code, x.Symbol, x.File, "%s", x.Why))
	}
	for i := range p.Files {
		f := &p.Files[i]
		f.Note = cmp.Or(f.Note, e.Notes[f.Path])
	}
	p.overlay = maps.Clone(p.overlay)
	maps.Copy(p.overlay, e.Kept)
	for name, text := range e.Overlay {
		p.overlay[name] = text
		p.Files = append(p.Files, FileResult{Path: name, Kind: FileHeader, Change: "modified", Note: "made by the build"})
	}
	for i := range e.Changed {
		c := &e.Changed[i]
		u := &planned{pre: c.Pre, post: c.Post, because: c.Because}
		by[u.unit().Object] = u
		for _, f := range c.Because {
			p.countObject(f)
		}
	}
	return nil
}

// countObject counts an object for a file.
func (p *Plan) countObject(file string) {
	for i := range p.Files {
		if p.Files[i].Path == file {
			p.Files[i].Objects++
		}
	}
}

// dependents adds the objects that a changed file is part of.
func (b *Builder) dependents(ctx context.Context, p *Plan, f *FileResult, by map[string]*planned) error {
	if f.Kind == FileOther || f.Kind == FileMakefile || f.Kind == FileKconfig {
		return nil
	}
	if f.Change == "new" {
		return nil // who includes it changed too, or it is an effect of a Makefile
	}
	list, err := b.subject.Dependents(ctx, []string{f.Path})
	if err != nil {
		return err
	}
	for i := range list {
		u := by[list[i].Object]
		if u == nil {
			u = &planned{pre: &list[i], post: &list[i]}
			by[list[i].Object] = u
		}
		u.because = append(u.because, f.Path)
	}
	if f.Objects += len(list); f.Objects > 0 {
		return nil
	}
	return b.whyNone(ctx, p, f)
}

// whyNone says why nothing is compiled because of a file.
func (b *Builder) whyNone(ctx context.Context, p *Plan, f *FileResult) error {
	if f.Note != "" {
		return nil
	}
	if b.elsewhere != nil && f.Kind == FileGenerator {
		p.Refusals = append(p.Refusals, refuse(CodeBuild, "", f.Path, "no object tells that it is made of it"))
		return nil
	}
	if what := ktree.Apart(f.Path); what != "" && b.elsewhere == nil {
		f.Note = "it is part of " + what + ", which has run before the kernel does, and runs no more"
		return nil
	}
	if f.Kind != FileSource {
		f.Note = "no object of this configuration has it"
		return nil
	}
	_, unbuilt, err := b.subject.UnitsOf(ctx, p.overlay, f.Path)
	if err != nil {
		return err
	}
	var why []string
	for _, u := range unbuilt {
		why = append(why, u.Why)
	}
	if f.Note = strings.Join(why, "; "); f.Note == "" {
		f.Note = "this configuration does not build it"
	}
	return nil
}
