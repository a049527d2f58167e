package main

import (
	"context"

	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/source/trial"
)

// trialOptions are those of a guest.
func (w *work) trialOptions() trial.Options {
	var elsewhere []string
	for _, m := range w.kernel.OutOfTree {
		elsewhere = append(elsewhere, m.File)
	}
	return trial.Options{Elsewhere: elsewhere, Boot: w.boot, Modules: w.kernel.Modules, Exercise: w.opt.how.exercise, Cache: w.opt.make.cache, Progress: w.progress.Tell}
}

// openBench looks whether updates can be tried, when that is asked for, before anything takes
// long.
func (w *work) openBench() (err error) {
	if w.opt.how.try || w.opt.how.exercise != "" {
		w.bench, err = trial.NewBench(w.trialOptions())
	}
	return err
}

// closeBench lets the guest go. How it does so says nothing of an update.
func (w *work) closeBench() {
	if w.bench != nil {
		_ = w.bench.Close()
	}
}

// try tries an update in a guest, when that is asked for: all are tried in one.
func (w *work) try(ctx context.Context, m *module.Module) (*trial.Report, error) {
	if w.bench == nil {
		return nil, nil
	}
	o := w.trialOptions()
	o.Update, o.Earlier = m, w.opt.module.Earlier
	return w.bench.Try(ctx, o)
}
