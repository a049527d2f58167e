package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gosplice/gosplice/internal/cli"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/source"
	"github.com/gosplice/gosplice/splice/source/patch"
)

// patches reads the patches that are given: those of series first, and each by its files where
// that is asked for.
func (o *options) patches() ([]*patch.Patch, error) {
	var all []*patch.Patch
	for _, name := range o.how.series {
		list, err := patch.ReadSeries(name)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	list, err := patch.ReadFiles(o.args...)
	if err != nil {
		return nil, err
	}
	all = append(all, list...)
	if !o.how.byFile {
		return all, nil
	}
	list = nil
	for _, p := range all {
		list = append(list, p.ByFile()...)
	}
	return list, nil
}

// inputs are the files that must not be written to.
func (o *options) inputs(k *source.Kernel) []string {
	list := append([]string{k.Config, k.Image, k.Symvers, k.Objtool, o.out.key, o.out.cert, o.how.exercise, o.how.replaces}, o.args...)
	list = append(append(append(list, o.how.series...), k.ExtraSymvers...), o.program.installed...)
	for _, m := range k.OutOfTree {
		list = append(list, m.File)
	}
	return list
}

// nameOf is what the update of some patches is called: after the only one, or by what they
// are.
func nameOf(list []*patch.Patch) string {
	if len(list) == 1 {
		return source.ModuleName("", list[0].Name)
	}
	h := sha256.New()
	for _, p := range list {
		fmt.Fprintln(h, p.Digest)
	}
	return fmt.Sprintf("update_%x", h.Sum(nil)[:4])
}

// runPatches makes updates of patches. It leaves a report whatever comes, but for flags that
// make no sense.
func runPatches(ctx context.Context, opt *options, stdout, stderr *cli.Output) (int, error) {
	w := &work{opt: opt, stdout: stdout, began: time.Now(), progress: tool.Progress(stderr), stages: stages}
	defer w.progress.Stop()
	if err := w.readPatches(); err != nil {
		return exitError, w.fail(err)
	}
	if opt.how.only > len(w.patches) {
		return exitError, opt.flags.Wrong("-only %d: there are %d patches", opt.how.only, len(w.patches))
	}
	if err := w.prepare(ctx); err != nil {
		return exitError, w.fail(err)
	}
	defer w.closeBench()
	w.stage = stageSource
	b, err := source.Open(ctx, w.kernel, opt.sourceOptions(w.progress, &w.log))
	if err != nil {
		return exitError, w.fail(err)
	}
	defer b.Close()
	w.opened, w.identity = w.log.take(), b.Identity()
	w.stage = stageUpdate
	switch {
	case opt.how.only > 0:
		return w.only(ctx, b)
	case opt.how.each:
		return w.each(ctx, b)
	}
	return w.together(ctx, b)
}

// readPatches reads the patches, and names the update.
func (w *work) readPatches() (err error) {
	w.stage = stagePatches
	if w.patches, err = w.opt.patches(); err != nil {
		w.opt.module.Name = w.opt.guessName()
		return err
	}
	switch p := &w.opt.program; {
	case w.opt.module.Name != "" || w.opt.how.each:
	case p.to != "":
		name, _, _ := strings.Cut(p.name, "=")
		w.opt.module.Name = source.ModuleName("", name+" "+filepath.Base(p.to))
	default:
		w.opt.module.Name = nameOf(w.patches)
	}
	return nil
}

// prepare finds the kernel, and looks whether all is there that is wanted, before anything
// takes long.
func (w *work) prepare(ctx context.Context) (err error) {
	w.stage = stageKernel
	w.identity.Release = w.opt.kernel.release
	if w.sign, err = openSigner(w.opt); err != nil {
		return err
	}
	if err := w.opt.readEarlier(); err != nil {
		return err
	}
	if w.kernel, w.boot, err = w.opt.openKernelFiles(ctx, w.progress, &w.log); err != nil {
		return err
	}
	w.identity.Release = w.kernel.Release
	if err := w.place("").Check(); err != nil && !w.opt.out.dry {
		return err
	}
	if w.opt.kernel.tasks {
		if w.opt.module.Tasks, err = readTasks(ctx, w.kernel.Image); err != nil {
			return err
		}
	}
	if err := w.prepareBundles(); err != nil {
		return err
	}
	return w.openBench()
}

// readTasks looks at the tasks of this machine.
func readTasks(ctx context.Context, image string) (*module.Tasks, error) {
	k, err := openImage(ctx, image)
	if err != nil {
		return nil, err
	}
	defer k.Close()
	return k.ReadTasks(ctx, os.DirFS("/"), looks, time.Second)
}
