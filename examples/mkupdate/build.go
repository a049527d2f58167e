package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/cli"
	"github.com/gosplice/gosplice/internal/files"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/source"
)

// build makes the module. It is nil when there is nothing to do, or refused.
func build(ctx context.Context, opt *options, progress *cli.Progress) (*objectReport, *module.Module, error) {
	sign, err := openSigner(opt)
	if err != nil {
		return nil, nil, err
	}
	if err := opt.readEarlier(); err != nil {
		return nil, nil, err
	}
	progress.Step("opening %s", opt.kernel.run)
	k, err := openKernel(ctx, opt)
	if err != nil {
		return nil, nil, err
	}
	defer k.Close()
	r := newReport(opt, k)
	pairs, err := opt.pairs(ctx, k, r, progress)
	if errors.Is(err, splice.ErrRefused) {
		r.refuse(err)
		return r, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	if !matter(pairs) {
		return r, nil, nil
	}
	if opt.kernel.tasks {
		progress.Step("looking at tasks")
		if opt.module.Tasks, err = k.ReadTasks(ctx, os.DirFS("/"), looks, time.Second); err != nil {
			return nil, nil, err
		}
	}
	opt.module.Progress = progress.Tell
	m, err := module.BuildContext(ctx, k, opt.module, pairs...)
	if errors.Is(err, splice.ErrRefused) {
		r.refuse(err)
		return r, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	if m, err = sign(m); err != nil {
		return nil, nil, err
	}
	r.made(m)
	return r, m, nil
}

// pairs compares and matches what is given: pairs of objects, or a bundle.
func (o *options) pairs(ctx context.Context, k *module.Kernel, r *objectReport, progress *cli.Progress) ([]module.Pair, error) {
	if o.form == formBundle {
		return o.bundlePairs(ctx, k, r, progress)
	}
	dir, err := os.MkdirTemp("", "mkupdate")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	runs, err := openRuns(o, k)
	if err != nil {
		return nil, err
	}
	var pairs []module.Pair
	for i := 0; i < len(o.args); i += 2 {
		progress.Step("comparing and matching %s", o.args[i])
		pair, err := comparePair(ctx, o, k, runs, dir, o.args[i], o.args[i+1])
		if err != nil {
			return nil, err
		}
		r.add(o.args[i], &pair)
		pairs = append(pairs, pair) // what it has alone may be for another object
	}
	return pairs, nil
}

// matter reports whether there is something to carry.
func matter(pairs []module.Pair) bool {
	for i := range pairs {
		if o := pairs[i].Diff.Outcome(); o != elfdiff.OutcomeSame && o != elfdiff.OutcomeIgnored {
			return true
		}
	}
	return false
}

// looks is how often the stacks of tasks are looked at.
const looks = 3

// openImage opens a vmlinux, or the kernel that runs.
func openImage(ctx context.Context, path string) (*module.Kernel, error) {
	if path == source.ImageRunning {
		return module.OpenRunning(ctx, os.DirFS("/"))
	}
	return module.OpenKernelContext(ctx, path)
}

func openKernel(ctx context.Context, opt *options) (*module.Kernel, error) {
	k, err := openImage(ctx, opt.kernel.run)
	if err != nil || opt.kernel.symvers == "" {
		return k, err
	}
	f, err := files.Open(opt.kernel.symvers)
	if err == nil {
		err = k.UseSymvers(f)
		f.Close()
	}
	if err != nil {
		k.Close()
		return nil, fmt.Errorf("-symvers %s: %w", opt.kernel.symvers, err)
	}
	return k, nil
}

func comparePair(ctx context.Context, opt *options, k *module.Kernel, runs []candidate, dir, prePath, postPath string) (module.Pair, error) {
	runs, prePath = chosen(runs, prePath)
	pre, err := open(ctx, opt, k, dir, prePath)
	if err != nil {
		return module.Pair{}, err
	}
	post, err := open(ctx, opt, k, dir, postPath)
	if err != nil {
		return module.Pair{}, err
	}
	d, err := elfdiff.Compare(pre, post, elfdiff.Options{Tables: true, Accept: opt.module.Accept, InPlace: opt.compare.inPlace, Initials: opt.compare.initials, Types: true})
	if err != nil {
		return module.Pair{}, err
	}
	pair, err := match(ctx, d, runs)
	if err != nil {
		return module.Pair{}, fmt.Errorf("%s: %w", prePath, err)
	}
	return pair, nil
}

// open opens an object, or a copy of it that objtool has completed.
func open(ctx context.Context, opt *options, k *module.Kernel, dir, path string) (*object.Object, error) {
	if opt.kernel.objtool == "" {
		return elfdiff.Open(path)
	}
	done, err := k.Objtool(ctx, opt.kernel.objtool, path, dir)
	if err != nil {
		return nil, err
	}
	return elfdiff.Open(done)
}
