package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/gosplice/gosplice/internal/cli"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/source"
	"github.com/gosplice/gosplice/splice/source/patch"
	"github.com/gosplice/gosplice/splice/source/report"
	"github.com/gosplice/gosplice/splice/source/trial"
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
	list := append([]string{k.Config, k.Image, k.Symvers, k.Objtool, o.out.key, o.out.cert, o.how.exercise}, o.args...)
	list = append(list, o.how.series...)
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

// runPatches makes updates of patches.
func runPatches(ctx context.Context, opt *options, stdout, stderr *cli.Output) (int, error) {
	patches, err := opt.patches()
	if err != nil {
		return exitError, err
	}
	if opt.how.only > len(patches) {
		return exitError, opt.flags.Wrong("-only %d: there are %d patches", opt.how.only, len(patches))
	}
	if opt.module.Name == "" && !opt.how.each {
		opt.module.Name = nameOf(patches)
	}
	w := &work{opt: opt, stdout: stdout, began: time.Now(), patches: patches, progress: tool.Progress(stderr)}
	defer w.progress.Stop()
	if w.sign, err = openSigner(opt); err != nil {
		return exitError, err
	}
	if w.kernel, w.boot, err = opt.openKernelFiles(ctx, w.progress, &w.log); err != nil {
		return exitError, err
	}
	if err := w.place("").Check(); err != nil && !opt.out.dry {
		return exitError, err
	}
	if opt.kernel.tasks {
		if opt.module.Tasks, err = readTasks(ctx, w.kernel.Image); err != nil {
			return exitError, err
		}
	}
	if err := w.openBench(); err != nil {
		return exitError, err
	}
	defer w.closeBench()
	b, err := source.Open(ctx, w.kernel, opt.sourceOptions(w.progress, &w.log))
	if err != nil {
		return exitError, err
	}
	defer b.Close()
	w.opened = w.log.take()
	if opt.how.each {
		return w.each(ctx, b)
	}
	return w.together(ctx, b)
}

// readTasks looks at the tasks of this machine.
func readTasks(ctx context.Context, image string) (*module.Tasks, error) {
	k, err := module.OpenKernel(image)
	if err != nil {
		return nil, err
	}
	defer k.Close()
	return k.ReadTasks(ctx, os.DirFS("/"), looks, time.Second)
}

// work is what becomes of patches.
type work struct {
	opt      *options
	stdout   *cli.Output
	progress *cli.Progress
	kernel   source.Kernel
	boot     string
	patches  []*patch.Patch
	sign     func(*module.Module) (*module.Module, error)
	began    time.Time
	log      lines
	opened   []string     // commands that all updates have in common
	bench    *trial.Bench // nil when nothing is tried
}

// place says where the files of an update go.
func (w *work) place(index string) report.Place {
	p := report.Place{Dir: w.opt.out.dir, Index: index, Flags: true, Inputs: w.opt.inputs(&w.kernel)}
	if w.opt.out.file != "" {
		dir, base := splitPath(strings.TrimSuffix(w.opt.out.file, ".ko"))
		p.Dir, p.Base = dir, base
	} else if !w.opt.how.each {
		p.Base = w.opt.module.Name
	}
	return p
}

// together makes one update of all patches.
func (w *work) together(ctx context.Context, b *source.Builder) (int, error) {
	r, err := w.result(ctx, b)
	if err != nil {
		return exitError, err
	}
	d, err := w.finish(ctx, r, "")
	if err != nil {
		return exitError, err
	}
	w.progress.Stop()
	if w.opt.out.json {
		_, err = d.WriteTo(w.stdout)
	} else {
		err = report.Text(w.stdout, d, textOptions(w.opt, w.stdout))
	}
	if err == nil {
		err = w.tellStale(d)
	}
	if d.Trial != nil && !d.Trial.OK {
		return exitRefused, err
	}
	return statuses[r.Outcome], err
}

// result makes the one update, and says before how much there is to do.
func (w *work) result(ctx context.Context, b *source.Builder) (*source.Result, error) {
	if w.opt.how.keepGoing {
		return b.Cumulative(ctx, w.patches)
	}
	plan, err := b.Plan(ctx, w.patches...)
	if err != nil {
		return nil, err
	}
	if n := len(plan.Objects); n > 0 && !w.opt.out.json {
		fmt.Fprintf(w.stdout, "to compile, without and with it: %s\n", count(n, "object"))
		if err := w.stdout.Flush(); err != nil {
			return nil, err
		}
	}
	return b.Build(ctx, plan)
}

// finish signs, tries and saves an update.
func (w *work) finish(ctx context.Context, r *source.Result, index string) (*report.Document, error) {
	d := report.New(r)
	d.Began = w.began
	d.Commands = append(append(d.Commands, w.opened...), w.log.take()...)
	place := w.place(index)
	if r.Update != nil {
		var err error
		if r.Update, err = w.sign(r.Update); err != nil {
			return nil, err
		}
		if d.Trial, err = w.try(ctx, r.Update); err != nil {
			return nil, err
		}
		place.NoModule = d.Trial != nil && !d.Trial.OK
	}
	if w.opt.out.dry {
		return d, nil
	}
	return d, d.Save(place)
}

// tellStale warns of a module that another run has left.
func (w *work) tellStale(d *report.Document) error {
	if w.opt.out.dry || w.opt.out.json {
		return nil
	}
	name := w.place("").Stale(d)
	if name == "" {
		return nil
	}
	_, err := fmt.Fprintf(w.stdout, "  %s is there, of another run: it is not of these patches\n", name)
	return err
}

// each makes an update of each patch, and a table. With the number of a patch it makes that
// one, and leaves the table to who collects.
func (w *work) each(ctx context.Context, b *source.Builder) (int, error) {
	t := report.NewTable()
	total := len(w.patches)
	done := func(r *source.Result) error {
		d, err := w.finish(ctx, r, report.IndexName+".html")
		if err != nil {
			return err
		}
		t.Add(d)
		w.progress.Part("patches", len(t.Rows), total)
		w.began = time.Now()
		if w.opt.out.json {
			return nil
		}
		if err := report.RowText(w.stdout, &t.Rows[len(t.Rows)-1], textOptions(w.opt, w.stdout)); err != nil {
			return err
		}
		return errors.Join(w.stdout.Flush(), w.tellStale(d))
	}
	var err error
	if n := w.opt.how.only; n > 0 {
		var r *source.Result
		if r, err = b.One(ctx, w.patches, n-1); err == nil {
			err = done(r)
		}
		return statusOf(t), errors.Join(err, w.printOne(t))
	}
	w.progress.Part("patches", 0, total)
	err = b.Each(ctx, w.patches, done)
	w.progress.Stop()
	if !w.opt.out.dry && len(t.Rows) > 0 {
		err = errors.Join(err, t.Save(w.opt.out.dir))
	}
	return statusOf(t), errors.Join(err, w.printCounts(t))
}

func (w *work) printOne(t *report.Table) error {
	if !w.opt.out.json {
		return nil
	}
	return printTable(w.opt, t, w.stdout)
}

// printCounts ends a table of which the rows are printed.
func (w *work) printCounts(t *report.Table) error {
	if w.opt.out.json {
		return printTable(w.opt, t, w.stdout)
	}
	return report.CountsText(w.stdout, t, textOptions(w.opt, w.stdout))
}
