package main

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime/debug"

	"github.com/gosplice/gosplice/elfdiff/report"
	"github.com/gosplice/gosplice/internal/cli"
)

// folders compares the objects of two folders, and prints what became of each pair.
func (opt *options) folders(ctx context.Context, stdout, stderr *cli.Output) (int, error) {
	// what is read of a pair is garbage as soon as it is compared: less of the time
	// goes into looking for it
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	progress := tool.Progress(stderr)
	f, err := report.CompareFolders(ctx, opt.pre, opt.post, report.FolderOptions{
		Compare: opt.compareFiles, JSON: opt.json, Pages: opt.text.Page, HTML: opt.html, Progress: progress.Tell,
	})
	progress.Stop()
	if err != nil {
		return exitError, err
	}
	if opt.text.Page != "" {
		opt.text.Page = filepath.Join(opt.text.Page, report.IndexName)
	}
	if opt.asJSON {
		err = f.JSON(stdout)
	} else {
		err = f.Text(stdout, opt.text)
	}
	if err != nil {
		return exitError, err
	}
	if n := f.Failed(); n > 0 {
		noun := "pairs"
		if n == 1 {
			noun = "pair"
		}
		err = fmt.Errorf("%d %s could not be compared", n, noun)
	}
	return statusOf(f.Outcome()), err
}
