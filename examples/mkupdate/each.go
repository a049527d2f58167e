package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gosplice/gosplice/splice/source"
	"github.com/gosplice/gosplice/splice/source/report"
)

// each makes an update of each patch, and a table. It goes on after what went wrong with one,
// and leaves the report of that too.
func (w *work) each(ctx context.Context, b *source.Builder) (int, error) {
	t := report.NewTable()
	var failed []error
	for i := range w.patches {
		w.progress.Part("patches", i, len(w.patches))
		d, err := w.one(ctx, b, i)
		if d != nil {
			t.Add(d)
		}
		if ctx.Err() != nil || d == nil {
			return exitError, errors.Join(append(failed, w.failTable(t, err))...)
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("patch %s: %w", w.patches[i].Name, err))
		}
		if err := w.printRow(t, d); err != nil {
			return exitError, err
		}
	}
	w.progress.Stop()
	err := errors.Join(failed...)
	if !w.opt.out.dry {
		err = errors.Join(err, t.Save(w.opt.out.dir))
	}
	return statusWith(t, err), errors.Join(err, w.printCounts(t), w.tellKept())
}

// statusWith is the status of a table, beside which something went wrong, or not.
func statusWith(t *report.Table, err error) int {
	if err != nil {
		return exitError
	}
	return statusOf(t)
}

// only makes the update of one patch, and leaves the table to who collects.
func (w *work) only(ctx context.Context, b *source.Builder) (int, error) {
	d, err := w.one(ctx, b, w.opt.how.only-1)
	if d == nil {
		return exitError, err
	}
	t := report.NewTable()
	t.Add(d)
	if w.opt.out.json {
		return statusWith(t, err), errors.Join(err, printTable(w.opt, t, w.stdout))
	}
	return statusWith(t, err), errors.Join(err, w.printRow(t, d), w.tellKept())
}

// one makes the update of one patch, and leaves its report, also of what went wrong. There is
// no document when that can't be written.
func (w *work) one(ctx context.Context, b *source.Builder, i int) (*report.Document, error) {
	w.began = time.Now()
	w.stage = stageUpdate
	var d *report.Document
	r, err := b.One(ctx, w.patches, i)
	if err == nil {
		d, err = w.finish(ctx, r)
	} else {
		d = w.document(source.Unfinished(source.Names(w.opt.module.Name, w.patches)[i], w.identity, w.patches[i]))
	}
	if err == nil {
		return d, nil
	}
	if serr := w.saveFailure(d, err); serr != nil {
		return nil, errors.Join(err, serr)
	}
	return d, err
}

// printRow prints the last row of a table.
func (w *work) printRow(t *report.Table, d *report.Document) error {
	if w.opt.out.json {
		return nil
	}
	if err := report.RowText(w.stdout, &t.Rows[len(t.Rows)-1], textOptions(w.opt, w.stdout)); err != nil {
		return err
	}
	return errors.Join(w.stdout.Flush(), w.tellStale(d))
}

// printCounts ends a table of which the rows are printed.
func (w *work) printCounts(t *report.Table) error {
	if w.opt.out.json {
		return printTable(w.opt, t, w.stdout)
	}
	return report.CountsText(w.stdout, t, textOptions(w.opt, w.stdout))
}
