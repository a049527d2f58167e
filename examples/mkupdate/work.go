package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/gosplice/gosplice/internal/cli"
	"github.com/gosplice/gosplice/internal/files"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/source"
	"github.com/gosplice/gosplice/splice/source/patch"
	"github.com/gosplice/gosplice/splice/source/report"
	"github.com/gosplice/gosplice/splice/source/trial"
)

// work is what becomes of patches.
type work struct {
	opt      *options
	stdout   *cli.Output
	progress *cli.Progress
	kernel   source.Kernel
	identity source.Identity // as far as it is known
	boot     string
	patches  []*patch.Patch
	sign     func(*module.Module) (*module.Module, error)
	began    time.Time
	log      lines
	opened   []string     // commands that all updates have in common
	bench    *trial.Bench // nil when nothing is tried
	kept     int          // bundles that are written
	stage    stage        // that it is in
	stages   []string     // what reports call these
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
		return exitError, w.fail(err)
	}
	d, err := w.finish(ctx, r)
	if err != nil {
		return exitError, w.failed(d, err)
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
	if err == nil {
		err = w.tellKept()
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

// document begins the report of a result.
func (w *work) document(r *source.Result) *report.Document {
	d := report.New(r)
	d.Began = w.began
	d.Commands = append(append(d.Commands, w.opened...), w.log.take()...)
	return d
}

// finish signs, tries and saves an update. With an error there is a document too, of what was
// done.
func (w *work) finish(ctx context.Context, r *source.Result) (*report.Document, error) {
	d := w.document(r)
	place := w.place(w.index())
	w.stage = stageTrial
	if r.Update != nil {
		signed, err := w.sign(r.Update)
		if err != nil {
			return d, err
		}
		r.Update = signed
		if d.Trial, err = w.try(ctx, r.Update); err != nil {
			return d, err
		}
		place.NoModule = d.Trial != nil && !d.Trial.OK
	}
	w.stage = stageWrite
	if w.opt.out.dry {
		return d, nil
	}
	if r.Bundle != nil && !place.NoModule {
		if err := files.Write(w.bundlePath(r.Name), r.Bundle, place.Inputs...); err != nil {
			return d, err
		}
		w.kept++
	}
	return d, d.Save(place)
}

// index is the link from a page to that of the table.
func (w *work) index() string {
	if !w.opt.how.each {
		return ""
	}
	return report.IndexName + ".html"
}

// tellStale warns of a module that another run has left, and of such a bundle.
func (w *work) tellStale(d *report.Document) error {
	if w.opt.out.dry || w.opt.out.json {
		return nil
	}
	stale := []string{w.place("").Stale(d)}
	if path := w.bundlePath(d.Result.Name); d.Module.Name == "" && path != "" {
		if _, err := os.Lstat(path); err == nil {
			stale = append(stale, path)
		}
	}
	for _, name := range stale {
		if name == "" {
			continue
		}
		if _, err := fmt.Fprintf(w.stdout, "  %s is there, of another run: it is not of these patches\n", name); err != nil {
			return err
		}
	}
	return nil
}
