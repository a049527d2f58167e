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
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
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
	exitUsage    = 64 // EX_USAGE of sysexits.h
)

func main() {
	debug.SetGCPercent(30) // of thousands of objects, memory is dearer than time
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], cli.Stdout(), cli.Stderr()))
}

// run is main without the process around it.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("runpre", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintln(stderr, "usage: runpre [flags] -run WHAT PRE.o|DIR...")
		flags.PrintDefaults()
	}
	where := flags.String("run", "", "`what` runs: a file, pid:N, kernel:, dump:FILE@ADDR or gdb:ADDRESS")
	var src source
	flags.StringVar(&src.kernel, "kernel", "", "of a module: the vmlinux or vmlinuz `file` of its kernel")
	flags.StringVar(&src.symbols, "symbols", "", "of dump: and gdb: the vmlinux, vmlinuz or System.map `file` of the kernel")
	asJSON := flags.Bool("json", false, "print one JSON object")
	verbose := flags.Bool("v", false, "show both sides of a mismatch, all symbols, and what decided")
	module := flags.String("module", "", "only match code of this module (name or path), such as libfoo.so.1")
	search := flags.Bool("search", false, "use no symbols of what runs")
	audit := flags.Bool("audit", false, "print only what does not match; without objects, compare all of a running kernel with -kernel")
	if flags.Parse(args) != nil {
		return exitUsage
	}
	whole := *audit && flags.NArg() == 0 && src.kernel != ""
	if *where == "" || flags.NArg() == 0 && !whole {
		flags.Usage()
		return exitUsage
	}
	opt := reloc.Options{Module: *module, NoSymbols: *search}
	if *verbose {
		opt.Logger = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	src.where = *where
	if whole {
		return auditKernel(ctx, src, *asJSON, stdout, stderr)
	}
	report, err := match(ctx, src, flags.Args(), opt)
	if err != nil {
		fmt.Fprintln(stderr, "runpre:", err)
		return exitError
	}
	matched := report.matched()
	switch {
	case *asJSON:
		err = report.writeJSON(stdout)
	case *audit:
		matched, err = report.writeAudit(stdout, *verbose)
	default:
		err = report.writeText(stdout, *verbose)
	}
	switch {
	case err != nil:
		fmt.Fprintln(stderr, "runpre:", err)
		return exitError
	case matched:
		return exitMatched
	}
	return exitMismatch
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
