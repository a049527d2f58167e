// Mkupdate makes a livepatch module of patches of a kernel's source.
//
//	mkupdate fix.patch                                          for the kernel that runs here
//	mkupdate -kernel RELEASE [-try] fix.patch ...               for a kernel of Debian
//	mkupdate -src DIR -config FILE -run VMLINUX -modules DIR fix.patch ...
//	mkupdate -run kcore [-src DIR -config FILE] fix.patch       for the kernel that runs here, without its vmlinux
//	mkupdate ... -module FILE.ko -src DIR fix.patch             for a module whose source is elsewhere: DKMS
//	mkupdate -package NAME fix.patch                            for the programs and libraries of a package of Debian
//	mkupdate -package NAME -to VERSION                          to another version of it
//	mkupdate -src DIR -build COMMAND [-installed FILE ...] fix.patch   for programs and libraries
//	mkupdate ... -each -series debian/patches/series            an update of each, and a table
//	mkupdate ... -keep-going -series debian/patches/series      one of all that can be carried
//	mkupdate ... -each -by-file between.diff                    an update of each file that differs
//	mkupdate ... -each -jobs -out DIR -series FILE | parallel   on several processors or machines
//	mkupdate -collect DIR
//
// With -bundle FILE the objects are kept for other builds of the kernel, and on a machine that runs
// one of these, without source or compiler,
//
//	mkupdate -run kcore FILE ...
//
// makes the module of them, where they are proven to fit. With -each the bundles go to a folder, and several
// of them are made in one go.
//
// NAME.ko is written beside its report, NAME.json and NAME.html; of programs and libraries, an
// update of each, NAME.PROGRAM.update, for hotpatch. Or it makes the module of the
// differences between two builds of objects:
//
//	mkupdate -run VMLINUX -name NAME [-o NAME.ko] [-target MODULE=FILE ...] PRE.o POST.o [PRE2.o POST2.o ...]
//
// With targets, each pair of objects goes to the one whose code it matches: the
// kernel itself, or one of the modules. MODULE:PRE.o says it for those that
// match several. Which form it is follows from what is given.
//
// Exit status: 0 the module was made, or could be; 1 error; 2 refused, or for a person to
// judge, or it does not apply or compile, or the trial failed; 3 no change; 64 usage. NAME.ko
// is written in the first case only. With -each and -collect it is 1 if anything went wrong
// with one, else 2 if one is refused, else 0 if one was made, else 3.
package main

import (
	"context"
	"fmt"

	"github.com/gosplice/gosplice/internal/cli"
	"github.com/gosplice/gosplice/splice/source"
	"github.com/gosplice/gosplice/splice/source/report"
)

// The exit statuses.
const (
	exitMade     = 0
	exitError    = 1
	exitRefused  = 2
	exitNoChange = 3
)

var tool = cli.Tool{
	Name: "mkupdate",
	Forms: []string{
		"[-kernel RELEASE] [flags] fix.patch ...",
		"-src DIR -config FILE -run VMLINUX -modules DIR [flags] fix.patch ...",
		"[...] -module FILE.ko -src DIR [flags] fix.patch ...",
		"-package NAME[=VERSION] (-to VERSION | fix.patch ...) [flags]",
		"-src DIR -build COMMAND [-installed FILE ...] [flags] fix.patch ...",
		"-run VMLINUX [flags] FILE.bundle ...",
		"-run VMLINUX -name NAME [flags] PRE.o POST.o [PRE2.o POST2.o ...]",
		"-probe VMLINUZ | -collect DIR | -clean[=AGE]",
	},
	About:    "Makes a livepatch module of patches of a kernel's source, or of what differs\nbetween builds of its objects; or updates of programs and libraries, of patches of\ntheir source.",
	Statuses: "0 made; 1 error; 2 refused, or to judge; 3 no change",
}

func main() { tool.Main(run) }

func parse(args []string) (*options, error) {
	o := &options{}
	f := o.define()
	args = joinReplace(args)
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	o.args = f.Args()
	o.given = args[:len(args)-len(o.args)]
	if err := o.findForm(); err != nil {
		return nil, err
	}
	if o.form == formObjects && o.out.file == "" {
		o.out.file = o.module.Name + ".ko"
	}
	return o, nil
}

// run does what the command line says. The status is exitError with an error.
func run(ctx context.Context, args []string, stdout, stderr *cli.Output) (int, error) {
	opt, err := parse(args)
	if err != nil {
		return exitError, err
	}
	switch {
	case opt.form == formObjects:
		return runObjects(ctx, opt, stdout, stderr)
	case opt.form == formBundle:
		return runBundles(ctx, opt, stdout, stderr)
	case opt.form == formPrograms:
		return runPrograms(ctx, opt, stdout, stderr)
	case opt.form == formProbe:
		return probe(ctx, opt, stdout)
	case opt.form == formClean:
		return clean(ctx, opt, stdout)
	case opt.form == formCollect:
		return collect(opt, stdout)
	case opt.how.jobs:
		return printJobs(opt, stdout)
	}
	return runPatches(ctx, opt, stdout, stderr)
}

// statuses are the exit statuses of outcomes.
var statuses = map[source.Outcome]int{
	source.OutcomeMade: exitMade, source.OutcomeNoChange: exitNoChange, source.OutcomeIgnored: exitNoChange,
	source.OutcomeJudge: exitRefused, source.OutcomeRefused: exitRefused, source.OutcomeFailed: exitRefused,
	report.OutcomeError: exitError, report.OutcomeMissing: exitError,
}

// statusOf is the exit status of a table.
func statusOf(t *report.Table) int {
	has := map[int]bool{}
	for i := range t.Rows {
		has[statuses[t.Rows[i].Outcome]] = true
		has[exitRefused] = has[exitRefused] || t.Rows[i].Trial == report.TrialFailed
	}
	return worst(has)
}

// worst is the exit status of several: that nothing changed is better than that something is refused, and no
// better than an update.
func worst(has map[int]bool) int {
	for _, s := range []int{exitError, exitRefused, exitMade} {
		if has[s] {
			return s
		}
	}
	return exitNoChange
}

// clean removes what can be made again from the cache.
func clean(ctx context.Context, opt *options, stdout *cli.Output) (int, error) {
	u, err := source.Clean(ctx, opt.make.cache, opt.how.clean.age)
	if err != nil {
		return exitError, err
	}
	if opt.out.json {
		return exitMade, cli.WriteJSON(stdout, u)
	}
	const mb = 1 << 20
	_, err = fmt.Fprintf(stdout, "removed %d MiB of prepared sources and objects; kept %d MiB of them, and %d MiB of packages and other things\n", u.Removed/mb, u.Kept/mb, u.Others/mb)
	return exitMade, err
}

// collect joins the reports of a folder.
func collect(opt *options, stdout *cli.Output) (int, error) {
	t, err := report.Collect(opt.how.collect)
	if err != nil {
		return exitError, err
	}
	if patches, err := opt.patches(); err != nil {
		return exitError, err
	} else if len(patches) > 0 {
		t.Expect(source.Names(opt.module.Name, patches)...)
	}
	if !opt.out.dry {
		if err := t.Save(opt.how.collect); err != nil {
			return exitError, err
		}
	}
	return statusOf(t), printTable(opt, t, stdout)
}

// printTable writes a table to standard output.
func printTable(opt *options, t *report.Table, stdout *cli.Output) error {
	if opt.out.json {
		_, err := t.WriteTo(stdout)
		return err
	}
	return report.TableText(stdout, t, textOptions(opt, stdout))
}

func textOptions(opt *options, out *cli.Output) report.TextOptions {
	return report.TextOptions{All: opt.out.verbose, Color: out.Color, Escape: out.Escape(), Flags: true}
}
