// Mkupdate makes a livepatch module of the differences between two builds of
// objects of the kernel.
//
//	mkupdate -run VMLINUX -name NAME [-o NAME.ko] [-target MODULE=FILE ...] PRE.o POST.o [PRE2.o POST2.o ...]
//
// With targets, each pair of objects goes to the one whose code it matches: the
// kernel itself, or one of the modules. MODULE:PRE.o says it for those that
// match several.
//
// Exit status: 0 the module was made, or could be; 1 error; 2 refused; 3 no
// change; 64 usage. NAME.ko is written in the first case only.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/gosplice/gosplice/internal/cli"
	"github.com/gosplice/gosplice/internal/files"
	"github.com/gosplice/gosplice/splice/module"
)

// The exit statuses.
const (
	exitMade     = 0
	exitError    = 1
	exitRefused  = 2
	exitNoChange = 3
)

const usage = `usage: mkupdate -run VMLINUX -name NAME [flags] PRE.o POST.o [PRE2.o POST2.o ...]

Makes a livepatch module of what differs between builds of the kernel's objects.

  -run VMLINUX      the running build's image, with symbols
  -symvers FILE     its Module.symvers; CRCs come from the image without it
  -target MODULE=FILE
                    a module that objects belong to, and its .ko; may be repeated
  -name NAME        name of the module
  -o NAME.ko        where to write it; NAME.ko unless given
  -description TEXT what the module says of itself
  -fixes TEXT       what it fixes, such as a CVE number; may be repeated
  -replace          take the place of all active livepatches
  -accept CODE,...  take responsibility for what needs a person's judgement, by
                    the codes shown; CODE:SYMBOL for what is about one symbol; a
                    reason, =TEXT behind them, goes into the module
  -key FILE         sign the module with this key (PEM)
  -cert FILE        and this certificate (PEM or DER), which the kernel knows
  -in-place         overwrite changed constants of the same size that other objects
                    see, while the module is active
  -initials         set members of variables whose initial value differs, where they
                    still hold the old one, while the module is active
  -unpin REASON     let the module be removed although addresses of what it brings along
                    are kept, since callbacks of the patch take them back
  -probes           allow several functions that only a kprobe can take over, which
                    do not depend on each other
  -no-jumps         have no function taken over by a jump
  -tasks            look at the tasks of this machine, which runs that kernel, for what
                    stays in the functions; needs root
  -objtool PATH     run the kernel's objtool on copies of the objects first
  -dry-run          write nothing
  -json             print one JSON object

Exit status: 0 made; 1 error; 2 refused; 3 no change; 64 usage.
`

type options struct {
	run, symvers, out, objtool string
	key, cert                  string
	module                     module.Options
	dry, json, tasks           bool
	inPlace, initials          bool
	targets                    []targetFile
	objects                    []string // pre and post in turn
}

// targetFile is a module that is patched.
type targetFile struct{ name, path string }

// addTarget reads MODULE=FILE.
func (o *options) addTarget(s string) error {
	name, path, ok := strings.Cut(s, "=")
	name = strings.ReplaceAll(name, "-", "_") // as the kernel has it
	if !ok || name == "" || path == "" {
		return fmt.Errorf("%q is not MODULE=FILE", s)
	}
	for _, t := range o.targets {
		if t.name == name {
			return fmt.Errorf("%s is given twice", name)
		}
	}
	o.targets = append(o.targets, targetFile{name, path})
	return nil
}

func main() {
	stdout, stderr := cli.Stdout(), cli.Stderr()
	opt, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		fmt.Print(usage)
		return
	}
	if err != nil {
		fmt.Fprintf(stderr, "mkupdate: %v\n%s", err, usage)
		os.Exit(cli.ExitUsage)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	status, err := run(ctx, &opt, stdout, stderr, stdout.Terminal)
	if err != nil {
		fmt.Fprintf(stderr, "mkupdate: %v\n", err)
	}
	os.Exit(status)
}

func parse(args []string) (options, error) {
	var opt options
	f := flag.NewFlagSet("mkupdate", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&opt.run, "run", "", "")
	f.StringVar(&opt.symvers, "symvers", "", "")
	f.StringVar(&opt.out, "o", "", "")
	f.StringVar(&opt.objtool, "objtool", "", "")
	f.StringVar(&opt.key, "key", "", "")
	f.StringVar(&opt.cert, "cert", "", "")
	f.StringVar(&opt.module.Name, "name", "", "")
	f.StringVar(&opt.module.Description, "description", "", "")
	f.Func("fixes", "", func(s string) error { opt.module.Fixes = append(opt.module.Fixes, s); return nil })
	f.Func("target", "", opt.addTarget)
	f.Func("accept", "", cli.Accept(&opt.module.Accept))
	f.StringVar(&opt.module.Unpin, "unpin", "", "")
	f.BoolVar(&opt.module.Replace, "replace", false, "")
	f.BoolVar(&opt.inPlace, "in-place", false, "")
	f.BoolVar(&opt.initials, "initials", false, "")
	f.BoolVar(&opt.module.Probes, "probes", false, "")
	f.BoolVar(&opt.module.NoJumps, "no-jumps", false, "")
	f.BoolVar(&opt.tasks, "tasks", false, "")
	f.BoolVar(&opt.dry, "dry-run", false, "")
	f.BoolVar(&opt.json, "json", false, "")
	if err := f.Parse(args); err != nil {
		return opt, err
	}
	opt.objects = f.Args()
	switch {
	case opt.run == "":
		return opt, errors.New("-run is missing")
	case opt.module.Name == "":
		return opt, errors.New("-name is missing")
	case (opt.key == "") != (opt.cert == ""):
		return opt, errors.New("-key and -cert go together")
	case len(opt.objects) == 0 || len(opt.objects)%2 != 0:
		return opt, fmt.Errorf("%d objects where pairs of PRE.o and POST.o are needed", len(opt.objects))
	}
	if opt.out == "" {
		opt.out = opt.module.Name + ".ko"
	}
	if !strings.HasSuffix(opt.out, ".ko") {
		return opt, fmt.Errorf("-o %s: modules are called *.ko", opt.out)
	}
	return opt, nil
}

// inputs are the files that the module is made from.
func (o *options) inputs() []string {
	list := []string{o.run, o.symvers, o.key, o.cert}
	for _, t := range o.targets {
		list = append(list, t.path)
	}
	for _, name := range o.objects {
		_, behind, _ := strings.Cut(name, ":") // of MODULE:PRE.o
		list = append(list, name, behind)
	}
	return list
}

// run makes the module and prints the report. The status is exitError only with
// an error.
func run(ctx context.Context, opt *options, stdout, stderr io.Writer, term cli.Terminal) (int, error) {
	if err := files.Output(opt.out, opt.inputs()...); err != nil && !opt.dry {
		return exitError, err
	}
	r, made, err := build(ctx, opt, stderr)
	if err != nil {
		return exitError, err
	}
	if made != nil && !opt.dry {
		if err := files.Write(opt.out, made, opt.inputs()...); err != nil {
			return exitError, err
		}
		r.Written = opt.out
	}
	if opt.json {
		err = cli.WriteJSON(stdout, r)
	} else {
		err = r.print(stdout, term)
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
