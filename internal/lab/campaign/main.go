// Campaign feeds damaged input to everything that reads some, and says what
// became of it. It is one command with a seed:
//
//	go run ./internal/lab/campaign -n 1000000 -seed 1
//
// Input is objects, objects with the tables of a kernel, programs and libraries,
// kernels and their packed form, modules of a kernel, stored updates, records in
// the memory of a process, and Module.symvers. Every input is a sound one with a
// few changes that its number and the seed decide, so that a run can be repeated;
// -from and -n pick a part of it.
//
// An outcome is an error that has a name in a public package, or an answer. A
// failure is a panic or crash, an error without a name, more than -limit for one
// input, or more memory than 64 MB and eight times the input. The input is then
// saved in the folder -save. Exit status: 0 without a failure, 1 with one.
//
// Seeds are made by gcc and objcopy. Objects below the folders that follow the
// flags are seeds as well.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"
)

// options are the flags.
type options struct {
	n, from   uint64
	seed      uint64
	workers   int
	limit     time.Duration
	save      string
	seeds     string // the folder of the seeds
	worker    int    // -1 for the one that starts the others
	one       string // a saved input to try alone
	kind      string
	onlyKinds string
	cache     *cache
}

func main() {
	opt := options{cache: &cache{seeds: map[string][]seed{}}}
	flag.Uint64Var(&opt.n, "n", 100_000, "how many inputs")
	flag.Uint64Var(&opt.from, "from", 0, "the number of the first one")
	flag.Uint64Var(&opt.seed, "seed", 1, "decides what the inputs are")
	flag.IntVar(&opt.workers, "workers", runtime.NumCPU(), "how many at once")
	flag.DurationVar(&opt.limit, "limit", 20*time.Second, "how long one input may take")
	flag.StringVar(&opt.save, "save", filepath.Join(os.TempDir(), "campaign"), "the folder for inputs that fail")
	flag.StringVar(&opt.onlyKinds, "kinds", "", "only these kinds, with commas between them")
	flag.StringVar(&opt.one, "one", "", "try one saved input, of the kind -kind, alone")
	flag.StringVar(&opt.kind, "kind", "", "of -one")
	flag.IntVar(&opt.worker, "worker", -1, "internal: the number of a worker")
	flag.StringVar(&opt.seeds, "seeddir", "", "internal: where the seeds are")
	flag.Parse()
	if err := run(&opt, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "campaign:", err)
		os.Exit(1)
	}
}

func run(opt *options, folders []string) error {
	switch {
	case opt.one != "":
		return tryOne(opt)
	case opt.worker >= 0:
		return work(opt)
	}
	dir, err := os.MkdirTemp("", "campaign-seeds-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	opt.seeds = dir
	if err := makeSeeds(dir, folders); err != nil {
		return err
	}
	if err := os.MkdirAll(opt.save, 0o755); err != nil {
		return err
	}
	return campaign(opt)
}

// campaign runs the workers and prints the totals.
func campaign(opt *options) error {
	start := time.Now()
	total := newTotals()
	var g errgroup.Group
	for w := range opt.workers {
		g.Go(func() error { return (&supervisor{opt: opt, worker: w, total: total}).run() })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	total.print(os.Stdout, opt, time.Since(start))
	if total.failures() > 0 {
		return fmt.Errorf("%d failures; the inputs are in %s", total.failures(), opt.save)
	}
	return nil
}

// self is a command that runs this program again.
func self(opt *options, more ...string) (*exec.Cmd, error) {
	name, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := []string{
		fmt.Sprint("-n=", opt.n), fmt.Sprint("-seed=", opt.seed), fmt.Sprint("-workers=", opt.workers),
		"-seeddir=" + opt.seeds, "-save=" + opt.save, "-kinds=" + opt.onlyKinds, fmt.Sprint("-limit=", opt.limit),
	}
	return exec.Command(name, append(args, more...)...), nil
}
