package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/internal/cli"
	"github.com/gosplice/gosplice/internal/files"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/module/bundle"
	"github.com/gosplice/gosplice/splice/source"
)

// bundleOptions are a bundle that was given, with what is accepted here.
type bundleOptions struct {
	read   *bundle.Bundle
	accept []elfdiff.Acceptance
}

// readBundle reads the bundle, where one is given. What is said on the command line goes before what it says.
func (o *options) readBundle() error {
	if o.form != formBundle {
		return nil
	}
	f, err := files.Open(o.args[0])
	if err != nil {
		return err
	}
	defer f.Close()
	b, err := bundle.Read(f)
	if err != nil {
		return fmt.Errorf("%s: %w", o.args[0], err)
	}
	given := o.module
	o.bundle = bundleOptions{b, given.Accept}
	o.module = b.Options()
	m := &o.module
	m.Accept = append(m.Accept, given.Accept...)
	m.Replace, m.Probes, m.NoJumps = m.Replace || given.Replace, m.Probes || given.Probes, m.NoJumps || given.NoJumps
	for _, x := range []struct{ to, from *string }{{&m.Name, &given.Name}, {&m.Description, &given.Description}, {&m.Unpin, &given.Unpin}} {
		if *x.from != "" {
			*x.to = *x.from
		}
	}
	if len(given.Fixes) > 0 {
		m.Fixes = given.Fixes
	}
	if o.out.file == "" {
		o.out.file = m.Name + ".ko"
	}
	return nil
}

// bundlePairs compares and matches the objects of a bundle.
func (o *options) bundlePairs(ctx context.Context, k *module.Kernel, r *objectReport, progress *cli.Progress) ([]module.Pair, error) {
	progress.Step("comparing and matching %s", o.args[0])
	pairs, err := o.bundle.read.Pairs(ctx, k, source.Modules(k, o.modulesOf(k)), o.bundle.accept)
	if err != nil {
		return nil, err
	}
	r.From = o.bundle.read.Made.Release
	i := 0
	for _, object := range o.bundle.read.Objects {
		for range object.Parts {
			r.add(object.Name, &pairs[i])
			i++
		}
	}
	return pairs, nil
}

// modulesOf is the folder of a kernel's modules.
func (o *options) modulesOf(k *module.Kernel) string {
	if o.kernel.modules != "" || !o.kernel.isRunning() {
		return o.kernel.modules
	}
	release, _, _ := strings.Cut(k.Vermagic(), " ")
	dir := filepath.Join("/lib/modules", release)
	if _, err := os.Stat(dir); err != nil {
		return ""
	}
	return dir
}
