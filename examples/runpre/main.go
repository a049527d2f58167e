// Runpre matches relocatable objects against the code that runs: a linked file,
// a live process, a kernel.
//
//	runpre [-json] [-v] [-module NAME] [-search] -run WHAT PRE.o|DIR...
//	runpre -audit [-json] -run kernel: -kernel VMLINUX
//	runpre -audit [-json] -run WHAT PRE.o|DIR...
//
// Of a DIR all objects below it count. With -audit it prints what does not match
// and where someone has patched what does, and nothing about the rest: an
// integrity check. The first form compares all code and constants of a running
// kernel with the vmlinux that it was booted from, without objects.
//
// WHAT is one of
//
//	FILE              a program, a library, a vmlinux or vmlinuz, a module of the
//	                  kernel (with -kernel FILE its references have names)
//	pid:N             a live process
//	kernel:           the kernel that runs here; kernel:DIR if /proc and /sys are
//	                  below DIR
//	dump:FILE@ADDR    a kernel's memory from an address on (needs no -symbols
//	                  if the kernel's own are in it)
//	gdb:ADDRESS       a guest, through the port for debuggers of its machine:
//	                  unix:PATH or HOST:PORT (needs -symbols)
//
// It exits with 0 when every function matched, 2 when one did not, 1 on an
// error, and 64 when it was called wrongly. With -audit, functions that the
// kernel freed, and weak ones that another definition replaced, don't count.
package main

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/cli"
	"github.com/gosplice/gosplice/reloc"
)

// Exit statuses.
const (
	exitMatched  = 0
	exitError    = 1
	exitMismatch = 2
)

var tool = cli.Tool{
	Name: "runpre",
	Forms: []string{
		"[flags] -run WHAT PRE.o|DIR...",
		"-audit [flags] -run kernel: -kernel VMLINUX",
	},
	About: `Matches relocatable objects against the code that runs: a linked file, a live
process, a kernel. Of a DIR all objects below it count. WHAT is one of

  FILE            a program, a library, a vmlinux or vmlinuz, a module of the kernel
                  (with -kernel its references have names)
  pid:N           a live process
  kernel:         the kernel that runs here; kernel:DIR if /proc and /sys are
                  below DIR
  dump:FILE@ADDR  a kernel's memory from an address on (needs no -symbols if the
                  kernel's own are in it)
  gdb:ADDRESS     a guest, through the port for debuggers of its machine:
                  unix:PATH or HOST:PORT (needs -symbols)`,
	Statuses: "0 every function matched; 1 error; 2 one did not",
}

func main() {
	debug.SetGCPercent(30) // of thousands of objects, memory is dearer than time
	tool.Main(run)
}

// options are what the flags say.
type options struct {
	source
	match                reloc.Options
	json, verbose, audit bool
	objects              []string // or folders of them; none for a whole kernel
}

func parse(args []string) (*options, error) {
	opt := &options{}
	f := tool.Flags()
	f.StringVar(&opt.where, "run", "", "`WHAT` runs")
	f.StringVar(&opt.kernel, "kernel", "", "of a module: the vmlinux or vmlinuz `FILE` of its kernel")
	f.StringVar(&opt.symbols, "symbols", "", "of dump: and gdb: the vmlinux, vmlinuz or System.map `FILE` of the kernel")
	f.JSON(&opt.json)
	f.BoolVar(&opt.verbose, "v", false, "show both sides of a mismatch, all symbols, and what decided")
	f.StringVar(&opt.match.Module, "module", "", "only match code of this module, by its `NAME` or path, such as libfoo.so.1")
	f.BoolVar(&opt.match.NoSymbols, "search", false, "use no symbols of what runs")
	f.BoolVar(&opt.audit, "audit", false, "print only what does not match; without objects, compare all of a running kernel with -kernel. What the kernel freed, and weak functions that another definition replaced, don't count")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	opt.objects = f.Args()
	switch {
	case opt.where == "":
		return nil, f.Wrong("-run is missing")
	case len(opt.objects) == 0 && !opt.whole():
		return nil, f.Wrong("there are no objects")
	}
	return opt, nil
}

// whole reports whether all of a kernel is compared, without objects.
func (opt *options) whole() bool { return opt.audit && len(opt.objects) == 0 && opt.kernel != "" }

func run(ctx context.Context, args []string, stdout, stderr *cli.Output) (int, error) {
	opt, err := parse(args)
	if err != nil {
		return exitError, err
	}
	if opt.verbose {
		opt.match.Logger = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	var matched bool
	if opt.whole() {
		matched, err = opt.auditKernel(ctx, stdout)
	} else {
		matched, err = opt.matchObjects(ctx, stdout, stderr)
	}
	switch {
	case err != nil:
		return exitError, err
	case matched:
		return exitMatched, nil
	}
	return exitMismatch, nil
}

// matchObjects matches the objects, and prints what became of them.
func (opt *options) matchObjects(ctx context.Context, stdout, stderr *cli.Output) (matched bool, err error) {
	progress := tool.Progress(stderr)
	opt.match.Progress = progress.Tell
	report, err := match(ctx, opt.source, opt.objects, opt.match)
	progress.Stop()
	switch {
	case err != nil:
		return false, err
	case opt.json:
		return report.matched(), report.writeJSON(stdout)
	case opt.audit:
		return report.writeAudit(stdout, opt.verbose)
	}
	return report.matched(), report.writeText(stdout, opt.verbose)
}

// objectsOf returns the objects that arguments name: of a folder all below it.
func objectsOf(args []string) ([]string, error) {
	var out []string
	for _, arg := range args {
		st, err := os.Stat(arg)
		if err != nil {
			return nil, err
		}
		if !st.IsDir() {
			out = append(out, arg)
			continue
		}
		n := len(out)
		err = filepath.WalkDir(arg, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && filepath.Ext(path) == ".o" {
				out = append(out, path)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		if len(out) == n {
			return nil, fmt.Errorf("%s: no objects below it", arg)
		}
	}
	return out, nil
}

// match matches the objects with the image, as a set.
func match(ctx context.Context, src source, paths []string, opt reloc.Options) (*report, error) {
	paths, err := objectsOf(paths)
	if err != nil {
		return nil, err
	}
	img, err := src.open(ctx)
	if err != nil {
		return nil, err
	}
	defer img.Close()
	open := func(i int) (*object.Object, error) { return elfdiff.Open(paths[i]) }
	set, err := reloc.MatchAll(ctx, len(paths), open, img, opt)
	if err != nil {
		return nil, err
	}
	r := &report{run: src.where, conflicts: set.Conflicts, objects: make([]objectView, len(paths))}
	for i, path := range paths {
		r.objects[i] = objectView{path, set.Results[i]}
	}
	return r, nil
}
