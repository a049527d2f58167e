package main

import (
	"context"
	"errors"
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

// endBundle is the end of the name of a bundle.
const endBundle = ".bundle"

// bundlePath is where the bundle of an update goes, "" where none is wanted.
func (w *work) bundlePath(name string) string {
	if w.opt.out.bundle == "" || !w.opt.how.each {
		return w.opt.out.bundle
	}
	return filepath.Join(w.opt.out.bundle, name+endBundle)
}

// prepareBundles makes the folder for several.
func (w *work) prepareBundles() error {
	if w.opt.out.bundle == "" || !w.opt.how.each || w.opt.out.dry {
		return nil
	}
	return os.MkdirAll(w.opt.out.bundle, 0o755)
}

// tellKept says what was kept for other builds.
func (w *work) tellKept() error {
	if w.kept == 0 || w.opt.out.json {
		return nil
	}
	of := ""
	if w.opt.how.each {
		of = " of " + count(w.kept, "update")
	}
	_, err := fmt.Fprintf(w.stdout, "  kept the objects%s for other builds of the kernel: %s\n", of, w.opt.out.bundle)
	return err
}

// runBundles makes a module of each bundle, and goes on after those that can't be.
func runBundles(ctx context.Context, opt *options, stdout, stderr *cli.Output) (int, error) {
	if opt.out.dir != "" && !opt.out.dry {
		if err := os.MkdirAll(opt.out.dir, 0o755); err != nil {
			return exitError, err
		}
	}
	has := map[int]bool{}
	var failed []error
	for _, name := range opt.args {
		one := *opt
		one.args = []string{name}
		status, err := runObjects(ctx, &one, stdout, stderr)
		if ctx.Err() != nil {
			return exitError, err
		}
		if err != nil && len(opt.args) > 1 && !strings.HasPrefix(err.Error(), name) {
			err = fmt.Errorf("%s: %w", name, err)
		}
		failed = append(failed, err)
		has[status] = true
	}
	return worst(has), errors.Join(failed...)
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
		o.out.file = filepath.Join(o.out.dir, m.Name+".ko")
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
