// Elfdiff shows what really differs between two builds of one object, and
// writes an object with just that.
//
//	elfdiff [-json [-explain]] [-all] [-v] [-accept CODE,...] [-in-place] [-initials] [-o OUT.o]
//	        [-html FILE [-src DIR [-post-src DIR]]] PRE.o POST.o
//	elfdiff [-json] [-html DIR ...] PRE_DIR POST_DIR
//
// Exit status: 0 there are changes, and all can be carried; 1 error; 2 refused, or
// a person has to accept something first, OUT.o is not written; 3 no change that
// matters to what runs, OUT.o is not written; 64 usage.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/report"
	"github.com/gosplice/gosplice/internal/cli"
	"github.com/gosplice/gosplice/internal/files"
)

// The exit statuses.
const (
	exitChanged  = 0
	exitError    = 1
	exitRefused  = 2
	exitNoChange = 3
)

var tool = cli.Tool{
	Name: "elfdiff",
	Forms: []string{
		"[flags] PRE.o POST.o",
		"[flags] PRE_DIR POST_DIR",
	},
	About: `Shows what really differs between two builds of one relocatable object, or of all
that have the same path in two folders. Objects of the Linux kernel are known by
their tables about code, which travel with the functions then.`,
	Statuses: "0 changes, all of them can be carried; 1 error; 2 refused;\n3 no change; of folders, that of the gravest pair",
}

type options struct {
	json      report.JSONOptions
	text      report.TextOptions
	html      report.HTMLOptions
	compare   elfdiff.Options
	asJSON    bool
	pre, post string
}

func main() { tool.Main(run) }

func parse(args []string) (*options, error) {
	opt := &options{}
	f := tool.Flags()
	f.JSON(&opt.asJSON)
	f.BoolVar(&opt.json.Explain, "explain", false, "in JSON too, say what in the source is behind each change, and which types mean something else, by the debug information")
	f.BoolVar(&opt.text.All, "all", false, "list what is the same too")
	f.BoolVar(&opt.text.Verbose, "v", false, "show incidental differences: padding, jump widths, line numbers")
	f.StringVar(&opt.text.Object, "o", "", "write an object with just the changes to `OUT.o`")
	f.StringVar(&opt.text.Page, "html", "", "write a page for reviewers that needs no other `FILE`, and print only the verdicts; with folders, write a page for each pair and an index into a folder")
	f.StringVar(&opt.html.PreSource, "src", "", "look for the source text below `DIR` before where the debug information says it is")
	f.StringVar(&opt.html.PostSource, "post-src", "", "likewise for the source of POST.o, when it is in another tree: `DIR`")
	f.Accept(&opt.compare.Accept)
	f.InPlace(&opt.compare.InPlace)
	f.Initials(&opt.compare.Initials)
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if f.NArg() != 2 {
		return nil, f.Wrong("%d arguments where PRE.o and POST.o are needed", f.NArg())
	}
	opt.pre, opt.post = f.Arg(0), f.Arg(1)
	opt.json.All = opt.text.All
	opt.text.Flags, opt.html.Flags = true, true
	return opt, nil
}

func run(ctx context.Context, args []string, stdout, stderr *cli.Output) (int, error) {
	opt, err := parse(args)
	if err != nil {
		return exitError, err
	}
	opt.text.Width, opt.text.Color, opt.text.Escape = stdout.Width, stdout.Color, stdout.Escape()
	folders, err := isFolder(opt.pre, opt.post)
	switch {
	case err != nil:
		return exitError, err
	case folders && opt.text.Object != "":
		return exitError, errors.New("-o is for one pair of objects")
	case folders:
		return opt.folders(ctx, stdout, stderr)
	}
	return opt.pair(ctx, stdout)
}

// pair compares, writes and prints. The status is exitError with an error.
func (opt *options) pair(ctx context.Context, stdout *cli.Output) (int, error) {
	if err := opt.checkOutputs(); err != nil {
		return exitError, err
	}
	d, err := opt.compareFiles(ctx, opt.pre, opt.post)
	if err != nil {
		return exitError, err
	}
	status := statusOf(d.Outcome())
	if opt.text.Object != "" && status == exitChanged {
		if err := opt.extract(d); err != nil {
			return exitError, err
		}
	}
	if opt.text.Page != "" {
		page, err := report.NewPage(d, opt.html)
		if err != nil {
			return exitError, fmt.Errorf("write %s: %w", opt.text.Page, err)
		}
		if err := files.Write(opt.text.Page, page, opt.pre, opt.post); err != nil {
			return exitError, err
		}
	}
	if opt.asJSON {
		return status, report.JSON(stdout, d, opt.json)
	}
	return status, report.Text(stdout, d, opt.text)
}

func (opt *options) compareFiles(ctx context.Context, preName, postName string) (*elfdiff.Diff, error) {
	pre, err := elfdiff.Open(preName)
	if err != nil {
		return nil, err
	}
	post, err := elfdiff.Open(postName)
	if err != nil {
		return nil, err
	}
	o := opt.compare
	o.Tables, o.Types = pre.IsKernel(), elfdiff.HasTypes(pre) && elfdiff.HasTypes(post)
	return elfdiff.CompareContext(ctx, pre, post, o)
}

func statusOf(o elfdiff.Outcome) int {
	switch o {
	case report.OutcomeError:
		return exitError
	case elfdiff.OutcomeRefused, elfdiff.OutcomeJudge:
		return exitRefused
	case elfdiff.OutcomeSame, elfdiff.OutcomeIgnored:
		return exitNoChange
	}
	return exitChanged
}

// isFolder reports whether both paths are folders; one alone is an error.
func isFolder(pre, post string) (bool, error) {
	var dir [2]bool
	for i, name := range [2]string{pre, post} {
		st, err := os.Stat(name)
		if err != nil {
			return false, err
		}
		dir[i] = st.IsDir()
	}
	if dir[0] != dir[1] {
		return false, errors.New("a folder can be compared with a folder only")
	}
	return dir[0], nil
}
