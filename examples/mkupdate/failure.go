package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/splice/source"
	"github.com/gosplice/gosplice/splice/source/report"
)

// stage is a stage of the work.
type stage int

const (
	stagePatches stage = iota
	stageKernel
	stageSource
	stageUpdate
	stageTrial
	stageWrite
)

// stages are what reports of what ended the work call them.
var stages = []string{
	stagePatches: "reading the patches", stageKernel: "finding the kernel", stageSource: "preparing the source",
	stageUpdate: "making the update", stageTrial: "signing and trying it", stageWrite: "writing it",
}

// failure is what an error ended.
func (w *work) failure(err error) *report.Failure {
	return report.NewFailure(err, w.stages, int(w.stage))
}

// fail leaves the report of what an error ended before there was a result, and returns the
// error.
func (w *work) fail(err error) error {
	if w.opt.how.each && w.opt.how.only == 0 {
		return w.failTable(report.NewTable(), err)
	}
	name, patches := w.opt.module.Name, w.patches
	switch n := w.opt.how.only; {
	case n == 0:
	case n <= len(patches):
		name, patches = source.Names(name, patches)[n-1], patches[n-1:n]
	default:
		name = source.ModuleName(name, fmt.Sprintf("patch_%d", n))
	}
	return w.failed(w.document(source.Unfinished(name, w.identity, patches...)), err)
}

// failed leaves a report with what an error ended, and prints it.
func (w *work) failed(d *report.Document, err error) error {
	w.progress.Stop()
	if serr := w.saveFailure(d, err); serr != nil {
		return errors.Join(err, serr, w.tellFailure(d.Failure, ""))
	}
	if w.opt.out.json {
		_, werr := d.WriteTo(w.stdout)
		return errors.Join(err, werr)
	}
	return errors.Join(err, w.tellFailure(d.Failure, d.Page), w.tellStale(d))
}

// tellFailure prints what is to be said beside the error itself, which comes last.
func (w *work) tellFailure(f *report.Failure, page string) error {
	if w.opt.out.json {
		return nil
	}
	return report.FailureText(w.stdout, f, page, textOptions(w.opt, w.stdout))
}

// saveFailure writes the report with what an error ended, and no module.
func (w *work) saveFailure(d *report.Document, err error) error {
	d.Failure = w.failure(err)
	if w.opt.out.dry {
		return nil
	}
	place := w.place(w.index())
	place.NoModule = true
	return d.Save(place)
}

// failTable leaves a table of what there is, with what an error ended. Patches that nothing
// became of are missing in it.
func (w *work) failTable(t *report.Table, err error) error {
	w.progress.Stop()
	t.Failure = w.failure(err)
	t.Expect(source.Names(w.opt.module.Name, w.patches)...)
	if w.opt.out.dry {
		return errors.Join(err, w.printCounts(t))
	}
	serr := w.place("").Check() // makes the folder
	if serr == nil {
		serr = t.Save(w.opt.out.dir)
	}
	if serr != nil {
		return errors.Join(err, serr, w.tellFailure(t.Failure, ""))
	}
	if w.opt.out.json {
		return errors.Join(err, printTable(w.opt, t, w.stdout))
	}
	return errors.Join(err, w.tellFailure(t.Failure, report.IndexName+".html"))
}

// guessName is what the update is called when its patches can't be read.
func (o *options) guessName() string {
	switch {
	case o.module.Name != "" || o.how.each:
		return o.module.Name
	case o.out.file != "":
		return strings.TrimSuffix(filepath.Base(o.out.file), ".ko")
	}
	names := slices.Concat(o.args, o.how.series, []string{"update"})
	return source.ModuleName("", filepath.Base(names[0]))
}
