package main

import (
	"context"
	"io"

	"github.com/gosplice/gosplice/internal/cli"
	"github.com/gosplice/gosplice/splice/source"
	"github.com/gosplice/gosplice/splice/source/distro"
)

// openKernelFiles finds the kernel's files: those that are given, or those of a distribution.
// boot is what boots it.
func (o *options) openKernelFiles(ctx context.Context, progress *cli.Progress, log io.Writer) (k source.Kernel, boot string, err error) {
	given := &o.kernel
	if given.src != "" {
		return source.Kernel{
			Source: given.src, Config: given.config, Image: given.run, Modules: given.modules, Symvers: given.symvers, Objtool: given.objtool,
			OutOfTree: given.outOfTree, ModuleMake: given.moduleMake, ExtraSymvers: given.extraSymvers,
		}, given.boot, nil
	}
	opt := distro.Options{Cache: o.make.cache, NoImage: given.run == source.ImageRunning, Progress: progress.Tell, Log: log}
	var f *distro.Files
	if given.release == "" {
		f, err = distro.Running(ctx, opt)
	} else {
		f, err = distro.Debian(ctx, given.release, opt)
	}
	if err != nil {
		return k, "", err
	}
	k = source.Kernel{
		Release: f.Release, Source: f.Source, Config: f.Config, Image: f.Image, Modules: f.Modules, Symvers: f.Symvers, Objtool: f.Objtool,
		Make: f.Make, OutOfTree: given.outOfTree, ModuleMake: given.moduleMake, ExtraSymvers: given.extraSymvers,
	}
	for _, x := range []struct{ given, at *string }{{&given.run, &k.Image}, {&given.symvers, &k.Symvers}, {&given.objtool, &k.Objtool}} {
		if *x.given != "" {
			*x.at = *x.given
		}
	}
	return k, f.Boot, nil
}

// sourceOptions are the options of the library.
func (o *options) sourceOptions(progress *cli.Progress, log io.Writer) source.Options {
	return source.Options{
		Cache: o.make.cache, CC: o.make.cc, Buildroot: o.make.buildroot, Jobs: o.make.jobs, Module: o.module, Accept: o.module.Accept,
		InPlace: o.compare.inPlace, Initials: o.compare.initials, Bundle: o.out.bundle != "", Progress: progress.Tell, Log: log,
	}
}
