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
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/gosplice/gosplice/elfdiff"
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

const usage = `usage: elfdiff [-json [-explain]] [-all] [-v] [-accept CODE,...] [-in-place] [-initials] [-o OUT.o]
               [-html FILE [-src DIR [-post-src DIR]]] PRE.o POST.o
       elfdiff [-json] [-html DIR ...] PRE_DIR POST_DIR

Shows what really differs between two builds of one relocatable object, or of all
that have the same path in two folders.

  -json     print one JSON object
  -explain  in JSON too, say what in the source is behind each change, and which
            types mean something else, by the debug information
  -all      list what is the same too
  -v        show incidental differences: padding, jump widths, line numbers
  -o OUT.o  write an object with just the changes
  -html FILE
            write a page for reviewers that needs no other file, and print only
            the verdicts
            with folders: write a page for each pair and an index into a folder
  -src DIR  look for the source text below DIR before where the debug
            information says it is
  -post-src DIR
            likewise for the source of POST.o, when it is in another tree
  -accept CODE,...
            leave out what needs a person's judgement, by the codes shown;
            CODE:SYMBOL for what is about one symbol; =REASON behind them is kept
  -in-place have changed constants of the same size overwritten
  -initials have members of variables set whose initial value differs, where they
            still hold the old one

Objects of the Linux kernel are known by their tables about code, which travel
with the functions then.

Exit status: 0 changes, all of them can be carried; 1 error; 2 refused;
3 no change; 64 usage. Of folders, that of the gravest pair.
`

type options struct {
	json, all, verbose bool
	explain            bool
	inPlace, initials  bool
	accept             []elfdiff.Acceptance
	out                string
	html, src, postSrc string
	up                 string // from the page to the index of pages
	pre, post          string
}

func main() {
	stdout, stderr := cli.Stdout(), cli.Stderr()
	opt, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		fmt.Print(usage)
		return
	}
	if err != nil {
		fmt.Fprintf(stderr, "elfdiff: %v\n%s", err, usage)
		os.Exit(cli.ExitUsage)
	}
	status, err := run(opt, stdout, stdout.Terminal)
	if err != nil {
		fmt.Fprintf(stderr, "elfdiff: %v\n", err)
	}
	os.Exit(status)
}

func parse(args []string) (options, error) {
	var opt options
	f := flag.NewFlagSet("elfdiff", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.BoolVar(&opt.json, "json", false, "")
	f.BoolVar(&opt.all, "all", false, "")
	f.BoolVar(&opt.verbose, "v", false, "")
	f.BoolVar(&opt.explain, "explain", false, "")
	f.StringVar(&opt.out, "o", "", "")
	f.StringVar(&opt.html, "html", "", "")
	f.StringVar(&opt.src, "src", "", "")
	f.StringVar(&opt.postSrc, "post-src", "", "")
	f.BoolVar(&opt.inPlace, "in-place", false, "")
	f.BoolVar(&opt.initials, "initials", false, "")
	f.Func("accept", "", cli.Accept(&opt.accept))
	if err := f.Parse(args); err != nil {
		return opt, err
	}
	if f.NArg() != 2 {
		return opt, fmt.Errorf("%d arguments where PRE.o and POST.o are needed", f.NArg())
	}
	opt.pre, opt.post = f.Arg(0), f.Arg(1)
	if opt.postSrc == "" {
		opt.postSrc = opt.src
	}
	return opt, nil
}

// run compares, writes and prints. The status is exitError only with an error.
func run(opt options, w io.Writer, term cli.Terminal) (int, error) {
	folders, err := isFolder(opt.pre, opt.post)
	switch {
	case err != nil:
		return exitError, err
	case folders && opt.out != "":
		return exitError, errors.New("-o is for one pair of objects")
	case folders:
		return runFolders(opt, w, term)
	}
	if err := opt.checkOutputs(); err != nil {
		return exitError, err
	}
	d, err := compareFiles(opt.pre, opt.post, opt)
	if err != nil {
		return exitError, err
	}
	status := statusOf(d)
	if opt.out != "" && status == exitChanged {
		x, err := elfdiff.Extract(d)
		if err != nil {
			return exitError, err
		}
		if len(x.Shifts) > 0 {
			return exitError, fmt.Errorf("%s: an object can't say that a shift depends on the running kernel: build the update from both", opt.out)
		}
		if len(x.InPlace) > 0 {
			return exitError, fmt.Errorf("%s: an object can't say what has to be overwritten, such as %s: build the update from both", opt.out, x.InPlace[0].Name)
		}
		if len(x.Initials) > 0 {
			return exitError, fmt.Errorf("%s: an object can't say what has to be set, such as %s: build the update from both", opt.out, x.Initials[0].Name)
		}
		if err := files.Write(opt.out, x, opt.pre, opt.post); err != nil {
			return exitError, err
		}
	}
	if opt.html != "" {
		if err := writeHTML(opt.html, d, opt); err != nil {
			return exitError, err
		}
	}
	if opt.json {
		err = cli.WriteJSON(w, reportOf(d, opt))
	} else {
		err = printDiff(w, d, opt, term)
	}
	if err != nil {
		return exitError, err
	}
	return status, nil
}

// checkOutputs refuses, before anything is done, what would overwrite an input.
func (opt *options) checkOutputs() error {
	for _, name := range []string{opt.out, opt.html} {
		if name == "" {
			continue
		}
		if err := files.Output(name, opt.pre, opt.post); err != nil {
			return err
		}
	}
	if opt.out != "" && filepath.Clean(opt.out) == filepath.Clean(opt.html) {
		return fmt.Errorf("-o and -html both name %s", opt.out)
	}
	return nil
}

func compareFiles(preName, postName string, opt options) (*elfdiff.Diff, error) {
	pre, err := elfdiff.Open(preName)
	if err != nil {
		return nil, err
	}
	post, err := elfdiff.Open(postName)
	if err != nil {
		return nil, err
	}
	return elfdiff.Compare(pre, post, elfdiff.Options{
		Tables: pre.IsKernel(), Accept: opt.accept, InPlace: opt.inPlace, Initials: opt.initials,
		Types: elfdiff.HasTypes(pre) && elfdiff.HasTypes(post),
	})
}

func statusOf(d *elfdiff.Diff) int {
	switch d.Outcome() {
	case elfdiff.OutcomeRefused, elfdiff.OutcomeJudge:
		return exitRefused
	case elfdiff.OutcomeSame, elfdiff.OutcomeIgnored:
		return exitNoChange
	}
	return exitChanged
}
