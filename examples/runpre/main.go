// Runpre matches relocatable objects against the code that runs: a linked file,
// a live process, a kernel.
//
//	runpre [-json] [-v] [-module NAME] [-search] -run WHAT PRE.o...
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
// error, and 64 when it was called wrongly.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/gosplice/gosplice/elfdiff"
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
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is main without the process around it.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("runpre", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintln(stderr, "usage: runpre [flags] -run WHAT PRE.o...")
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
	if flags.Parse(args) != nil {
		return exitUsage
	}
	if *where == "" || flags.NArg() == 0 {
		flags.Usage()
		return exitUsage
	}
	opt := reloc.Options{Module: *module, NoSymbols: *search}
	if *verbose {
		opt.Logger = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	src.where = *where
	report, err := match(ctx, src, flags.Args(), opt)
	if err != nil {
		fmt.Fprintln(stderr, "runpre:", err)
		return exitError
	}
	if *asJSON {
		err = report.writeJSON(stdout)
	} else {
		err = report.writeText(stdout, *verbose)
	}
	switch {
	case err != nil:
		fmt.Fprintln(stderr, "runpre:", err)
		return exitError
	case report.matched():
		return exitMatched
	}
	return exitMismatch
}

// match matches each object with the image, several at a time.
func match(ctx context.Context, src source, paths []string, opt reloc.Options) (*report, error) {
	img, err := src.open(ctx)
	if err != nil {
		return nil, err
	}
	defer img.Close()
	r := &report{run: src.where, objects: make([]object, len(paths))}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, path := range paths {
		g.Go(func() error {
			pre, err := elfdiff.Open(path)
			if err != nil {
				return err
			}
			result, err := reloc.Match(ctx, pre, img, opt)
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			r.objects[i] = object{path, result}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return r, nil
}
