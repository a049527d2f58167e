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
	"fmt"
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

var tool = cli.Tool{
	Name:     "mkupdate",
	Forms:    []string{"-run VMLINUX -name NAME [flags] PRE.o POST.o [PRE2.o POST2.o ...]"},
	About:    "Makes a livepatch module of what differs between builds of the kernel's objects.",
	Statuses: "0 made; 1 error; 2 refused; 3 no change",
}

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

func main() { tool.Main(run) }

// flags are the flags, which fill the options.
func (o *options) flags() *cli.Flags {
	f := tool.Flags()
	f.StringVar(&o.run, "run", "", "the running build's image, with symbols: `VMLINUX`")
	f.StringVar(&o.symvers, "symvers", "", "its Module.symvers, a `FILE`; CRCs come from the image without it")
	f.Func("target", "a module that objects belong to, and its .ko: `MODULE=FILE`; may be repeated", o.addTarget)
	f.StringVar(&o.module.Name, "name", "", "`NAME` of the module")
	f.StringVar(&o.out, "o", "", "where to write it, `FILE.ko`; NAME.ko unless given")
	f.StringVar(&o.module.Description, "description", "", "what the module says of itself, a `TEXT`")
	f.List(&o.module.Fixes, "fixes", "what it fixes, a `TEXT` such as a CVE number")
	f.BoolVar(&o.module.Replace, "replace", false, "take the place of all active livepatches")
	f.Accept(&o.module.Accept)
	f.StringVar(&o.key, "key", "", "sign the module with the key in this `FILE` (PEM)")
	f.StringVar(&o.cert, "cert", "", "and the certificate in this `FILE` (PEM or DER), which the kernel knows")
	f.InPlace(&o.inPlace)
	f.Initials(&o.initials)
	f.StringVar(&o.module.Unpin, "unpin", "", "let the module be removed although addresses of what it brings along are kept, for this `REASON`: callbacks of the patch take them back")
	f.Probes(&o.module.Probes)
	f.BoolVar(&o.module.NoJumps, "no-jumps", false, "have no function taken over by a jump")
	f.BoolVar(&o.tasks, "tasks", false, "look at the tasks of this machine, which runs that kernel, for what stays in the functions; needs root")
	f.StringVar(&o.objtool, "objtool", "", "run the kernel's objtool at `PATH` on copies of the objects first")
	f.DryRun(&o.dry, "write nothing")
	f.JSON(&o.json)
	return f
}

func parse(args []string) (*options, error) {
	opt := &options{}
	f := opt.flags()
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	opt.objects = f.Args()
	switch {
	case opt.run == "":
		return nil, f.Wrong("-run is missing")
	case opt.module.Name == "":
		return nil, f.Wrong("-name is missing")
	case (opt.key == "") != (opt.cert == ""):
		return nil, f.Wrong("-key and -cert go together")
	case len(opt.objects) == 0 || len(opt.objects)%2 != 0:
		return nil, f.Wrong("%d objects where pairs of PRE.o and POST.o are needed", len(opt.objects))
	}
	if opt.out == "" {
		opt.out = opt.module.Name + ".ko"
	}
	if !strings.HasSuffix(opt.out, ".ko") {
		return nil, f.Wrong("-o %s: modules are called *.ko", opt.out)
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

// run makes the module and prints the report. The status is exitError with an error.
func run(ctx context.Context, args []string, stdout, stderr *cli.Output) (int, error) {
	opt, err := parse(args)
	if err != nil {
		return exitError, err
	}
	if err := files.Output(opt.out, opt.inputs()...); err != nil && !opt.dry {
		return exitError, err
	}
	progress := tool.Progress(stderr)
	r, made, err := build(ctx, opt, progress)
	progress.Stop()
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
