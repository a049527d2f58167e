package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/internal/cli"
	"github.com/gosplice/gosplice/splice/source"
	"github.com/gosplice/gosplice/splice/source/program"
	"github.com/gosplice/gosplice/splice/source/report"
)

// programOptions say which programs patches are for.
type programOptions struct {
	name      string   // -package
	build     string   // the command
	installed []string // files
	to        string   // a version of the package, or a folder
	rebuild   bool
}

// given reports whether patches are of a program's source.
func (p *programOptions) given() bool { return p.name != "" || p.build != "" }

// programStages are what reports of updates of programs call the stages.
var programStages = []string{
	stagePatches: "reading the patches", stageKernel: "finding the programs", stageSource: "building the source",
	stageUpdate: "making the updates", stageTrial: "finishing them", stageWrite: "writing them",
}

func (o *options) definePrograms(f *cli.Flags) {
	p := &o.program
	f.StringVar(&p.name, "package", "", "a package of Debian, a `NAME` or NAME=VERSION as apt takes it: its source is fetched and built, and updates are for the files that are installed of it, or else for those of the package, which is fetched; nothing is installed")
	f.StringVar(&p.to, "to", "", "with -package, instead of patches: another `VERSION` of its source package, such as the next security update; with -build, the folder of another version of the source")
	f.StringVar(&p.build, "build", "", "with -src, for a program or a library: the `COMMAND` that builds it from that source, such as \"./configure && make\"")
	f.List(&p.installed, "installed", "with -build or -package: the `FILE` of the program or library that runs, stripped or not; where the build leaves it, in PATH or among the system's libraries unless given")
	f.BoolVar(&p.rebuild, "rebuild", false, "with -build or -package: build all again with the patches, also where they change nothing about how it is built")
}

// runPrograms makes updates of programs and libraries.
func runPrograms(ctx context.Context, opt *options, stdout, stderr *cli.Output) (int, error) {
	w := &work{opt: opt, stdout: stdout, began: time.Now(), progress: tool.Progress(stderr), stages: programStages}
	defer w.progress.Stop()
	if err := w.readPatches(); err != nil {
		return exitError, w.fail(err)
	}
	w.stage = stageKernel
	if err := w.place("").Check(); err != nil && !opt.out.dry {
		return exitError, w.fail(err)
	}
	src, err := w.programSource(ctx)
	if err != nil {
		return exitError, w.fail(err)
	}
	post, err := w.otherVersion(ctx) // it may not be served: known before a long build
	if err != nil {
		return exitError, w.fail(err)
	}
	w.stage = stageSource
	b, err := program.Open(ctx, src, w.programOptions())
	if err != nil {
		return w.refusedEarly(err)
	}
	defer b.Close()
	w.opened = w.log.take()
	w.stage = stageUpdate
	r, err := w.programResult(ctx, b, post)
	if err != nil {
		return exitError, w.fail(err)
	}
	return w.finishPrograms(r)
}

// programSource is what is built: what is given, or the source of a package.
func (w *work) programSource(ctx context.Context) (program.Source, error) {
	o := w.opt
	if o.program.name == "" {
		return program.Source{Dir: o.kernel.src, Build: o.program.build, Installed: o.program.installed}, nil
	}
	return program.Debian(ctx, o.program.name, program.DebianOptions{
		Cache: o.make.cache, Jobs: o.make.jobs, Installed: o.program.installed, Progress: w.progress.Tell, Log: &w.log,
	})
}

// otherVersion is the source that updates lead to, its zero value where there are patches.
func (w *work) otherVersion(ctx context.Context) (program.Source, error) {
	o := w.opt
	if o.program.to == "" || o.program.name == "" {
		return program.Source{Dir: o.program.to}, nil
	}
	name, _, _ := strings.Cut(o.program.name, "=")
	return program.Debian(ctx, name+"="+o.program.to, program.DebianOptions{
		Cache: o.make.cache, Jobs: o.make.jobs, SourceOnly: true, Progress: w.progress.Tell, Log: &w.log,
	})
}

// programResult makes the updates of patches, or to another version.
func (w *work) programResult(ctx context.Context, b *program.Builder, post program.Source) (*source.Result, error) {
	if post.Dir == "" {
		return b.Build(ctx, w.patches...)
	}
	return b.To(ctx, post)
}

func (w *work) programOptions() program.Options {
	o := w.opt
	return program.Options{
		Name: o.module.Name, Fixes: o.module.Fixes, Accept: o.module.Accept, Rebuild: o.program.rebuild, Cache: o.make.cache, Jobs: o.make.jobs,
		Progress: w.progress.Tell, Log: &w.log,
	}
}

// refusedEarly leaves the report of what is refused before anything is built, or of an error.
func (w *work) refusedEarly(err error) (int, error) {
	if !errors.Is(err, finding.ErrRefused) {
		return exitError, w.fail(err)
	}
	r := source.Unfinished(w.opt.module.Name, w.identity, w.patches...)
	r.Refusals, r.Outcome = append(r.Refusals, finding.Refusals(err)...), source.OutcomeRefused
	return w.finishPrograms(r)
}

// finishPrograms saves the updates, and tells what became of them.
func (w *work) finishPrograms(r *source.Result) (int, error) {
	d := w.document(r)
	w.stage = stageWrite
	if !w.opt.out.dry {
		if err := d.Save(w.place("")); err != nil {
			return exitError, w.failed(d, err)
		}
	}
	w.progress.Stop()
	var err error
	if w.opt.out.json {
		_, err = d.WriteTo(w.stdout)
	} else {
		err = report.Text(w.stdout, d, textOptions(w.opt, w.stdout))
	}
	if len(r.Refusals) > 0 && r.Outcome == source.OutcomeMade { // of some of the programs
		return exitRefused, err
	}
	return statuses[r.Outcome], err
}
