package source

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/module/bundle"
)

// keep adds the objects of an update to its result, for kernels of other builds, where that is asked for. opt is what
// the update was made with.
func (b *Builder) keep(r *Result, p *Plan, list []compared, opt module.Options) error {
	if !b.opt.Bundle || r.Update == nil {
		return nil
	}
	b.newResult(p, &opt) // what the patches say of it
	var items []bundle.Item
	for i := range list {
		c := &list[i]
		if len(c.pairs) == 0 {
			continue
		}
		it, err := b.item(p, c)
		if err != nil {
			return err
		}
		items = append(items, it)
	}
	how := elfdiff.Options{Accept: b.opt.Accept, InPlace: b.opt.InPlace, Initials: b.opt.Initials}
	var err error
	r.Bundle, err = bundle.New(b.image, b.Identity().Release, opt, how, items)
	return err
}

// item is an object for a bundle, with the sources that the patches change in it, and its own.
func (b *Builder) item(p *Plan, c *compared) (it bundle.Item, err error) {
	it = bundle.Item{Name: c.unit().Object, Diff: c.diff, Fixes: c.pairs[0].Fixes}
	for i := range c.pairs {
		it.Targets = append(it.Targets, c.pairs[i].Target)
	}
	if it.Pre, err = os.ReadFile(c.preFile); err != nil {
		return it, err
	}
	if it.Post, err = os.ReadFile(c.postFile); err != nil {
		return it, err
	}
	names := append(slices.Clone(c.because), c.unit().Source)
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		s := bundle.Source{Path: name}
		if s.Pre, err = os.ReadFile(filepath.Join(b.subject.Dir(), name)); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		if err != nil {
			return it, err
		}
		s.Post = s.Pre
		if text, changed := p.overlay[name]; changed {
			s.Post = text
		}
		it.Sources = append(it.Sources, s)
	}
	return it, nil
}

// Modules opens modules of a kernel by their names, each once, from a folder as lib/modules/RELEASE.
func Modules(k *module.Kernel, dir string) func(name string) (*module.Target, error) {
	return newTargets(k, Kernel{Modules: dir}).get
}
