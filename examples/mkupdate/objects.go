package main

import (
	"context"
	"strings"

	"github.com/gosplice/gosplice/internal/cli"
	"github.com/gosplice/gosplice/internal/files"
)

// objectInputs are the files that a module is made from.
func (o *options) objectInputs() []string {
	list := []string{o.kernel.symvers, o.out.key, o.out.cert, o.how.replaces}
	if !o.kernel.isRunning() {
		list = append(list, o.kernel.run)
	}
	for _, t := range o.targets {
		list = append(list, t.path)
	}
	if o.form == formBundle {
		return append(list, o.args...)
	}
	for _, name := range o.args {
		_, behind, _ := strings.Cut(name, ":") // of MODULE:PRE.o
		list = append(list, name, behind)
	}
	return list
}

// runObjects makes the module of pairs of objects, or of one bundle, and prints the report.
func runObjects(ctx context.Context, opt *options, stdout, stderr *cli.Output) (int, error) {
	if err := opt.readBundle(); err != nil {
		return exitError, err
	}
	if err := files.Output(opt.out.file, opt.objectInputs()...); err != nil && !opt.out.dry {
		return exitError, err
	}
	progress := tool.Progress(stderr)
	r, made, err := build(ctx, opt, progress)
	progress.Stop()
	if err != nil {
		return exitError, err
	}
	if made != nil && !opt.out.dry {
		if err := files.Write(opt.out.file, made, opt.objectInputs()...); err != nil {
			return exitError, err
		}
		r.Written = opt.out.file
	}
	if opt.out.json {
		err = cli.WriteJSON(stdout, r)
	} else {
		err = r.print(stdout, stdout.Terminal)
	}
	switch {
	case err != nil:
		return exitError, err
	case len(r.Refusals) > 0:
		return exitRefused, nil
	case made == nil:
		return exitNoChange, nil
	}
	return exitMade, nil
}
