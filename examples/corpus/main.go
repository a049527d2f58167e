// Corpus builds real kernel patches as objects, and judges what becomes of them:
// each file in C that differs between two versions of a stock kernel, and is
// built into it.
//
//	corpus [-from RELEASE] [-to RELEASE] [-cc COMMAND] [-buildroot DIR] [-every N] [-objtool] STAGE...
//	corpus -time [-reverse] STAGE...
//	corpus -judge [-accept CODE,...] [-probes] [-in-place] [-initials] [-types=false] [-together] [-only TEXT] [-reverse] [-load] [-json] [-all] STAGE...
//
// It prints the folder of each stage. Stages are pre and post, the old and the
// new file in the old tree; raw, pre without objtool; tree, the new file in the
// new tree; lines, top and end, the old file with blank lines or an unused
// function; order, with its functions in another order; all, every file that is
// built in. It needs what building a kernel needs, and Debian's packages.
//
// With -cc, another compiler makes the objects than the one that made the kernel, of
// this system or with -buildroot of another one, such as a release of Debian, which is
// fetched. -every takes each n-th file alone.
//
// With -judge, each stage is compared with pre, and each pair is carried, ignored
// (what differs has no bearing on what runs), to be judged by a person, or
// refused. Carried means that a module was made of it: compared, matched with the
// image of the running kernel, and linked. Types that mean something else are judged
// too; -types=false leaves them out. With -cc, nothing is matched, and it is told
// of which pairs the objects of the kernel's own compiler have another verdict. -reverse takes the stage for what runs,
// and pre for the patch. -load boots the kernel, and loads and removes each module.
//
// With -time, it says how long all pairs take from opening the files to the
// written object, without the image of a kernel.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/internal/cli"
	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/debkernel"
	"github.com/gosplice/gosplice/internal/lab/corpus"
	"github.com/gosplice/gosplice/splice/module"
)

type options struct {
	out                *cli.Output
	progress           *cli.Progress
	from, to           string
	complete           bool // by objtool
	judge, load, time  bool
	json, all, reverse bool
	inPlace, probes    bool
	initials           bool
	only               string
	together, types    bool
	how                corpus.How
	accept             []elfdiff.Acceptance
	stages             []corpus.Stage
}

var tool = cli.Tool{
	Name: "corpus",
	Forms: []string{
		"[flags] STAGE...",
		"-judge [flags] STAGE...",
		"-time [flags] STAGE...",
	},
	About: `Builds real kernel patches as objects, each file in C that differs between two
versions of a stock kernel and is built into it, and prints the folder of each
stage. It fetches what it needs of Debian's packages, about half a gigabyte for a
kernel, and says what before it does; so it does of what it compiles. All is kept
in the folder that GOSPLICE_CACHE names, ~/.cache/gosplice unless given.

Stages are pre and post, the old and the new file in the old tree; raw, pre
without objtool; tree, the new file in the new tree; lines, top and end, the old
file with blank lines or an unused function; order, with its functions in another
order; all, every file that is built in.`,
	Statuses: "0 done; 1 error",
}

func main() { tool.Main(run) }

func parse(args []string) (*options, error) {
	opt := &options{}
	f := tool.Flags()
	f.StringVar(&opt.from, "from", "6.1.0-47-cloud-amd64", "the older kernel: a `RELEASE`, or the beginning of one")
	f.StringVar(&opt.to, "to", "6.1.0-50-cloud-amd64", "the newer kernel: a `RELEASE`, or the beginning of one")
	f.StringVar(&opt.how.CC.Command, "cc", "", "compile with this `COMMAND`, such as gcc-10, and only compare: the kernel was not built with it")
	f.StringVar(&opt.how.CC.Buildroot, "buildroot", "", "with -cc, a `DIR` with the distribution in which it runs, or the name of a release of Debian, such as bullseye, which mmdebstrap makes in the cache")
	f.IntVar(&opt.how.Every, "every", 1, "take each `N`-th file alone")
	f.BoolVar(&opt.complete, "objtool", false, "have the kernel's objtool complete the objects, for kernels with IBT")
	f.BoolVar(&opt.judge, "judge", false, "compare each stage with pre, and say what becomes of each pair")
	f.BoolVar(&opt.load, "load", false, "load the modules of what is carried into the booted kernel")
	f.BoolVar(&opt.time, "time", false, "say how long comparing each stage with pre takes")
	f.JSON(&opt.json)
	f.BoolVar(&opt.all, "all", false, "show the pairs that are carried too")
	f.BoolVar(&opt.reverse, "reverse", false, "take the stage for what runs, and pre for the patch")
	f.InPlace(&opt.inPlace)
	f.Initials(&opt.initials)
	f.Probes(&opt.probes)
	f.BoolVar(&opt.together, "together", false, "make one module of all pairs too")
	f.BoolVar(&opt.types, "types", true, "have changed types judged, as what writes modules does; -types=false leaves them out")
	f.StringVar(&opt.only, "only", "", "judge only the sources with this `TEXT` in their names")
	f.Accept(&opt.accept)
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if !opt.types {
		for _, code := range []elfdiff.Code{elfdiff.CodeTypeLayout, elfdiff.CodeTypeEnum, elfdiff.CodeTypeSignature, elfdiff.CodeTypeConstant, elfdiff.CodeNotGiven} {
			opt.accept = append(opt.accept, elfdiff.Acceptance{Code: code})
		}
	}
	if opt.how.CC.Command == "" && opt.how.CC.Buildroot != "" {
		return nil, f.Wrong("-buildroot is where the command of -cc runs")
	}
	if opt.how.CC.Command != "" && (opt.load || opt.together || opt.probes) {
		return nil, f.Wrong("no module for this kernel is made of what the compiler of -cc makes")
	}
	for _, name := range f.Args() {
		i := slices.IndexFunc(corpus.Stages, func(s corpus.Stage) bool { return s.Name == name })
		if i < 0 {
			return nil, f.Wrong("no stage %q", name)
		}
		opt.stages = append(opt.stages, corpus.Stages[i])
	}
	return opt, nil
}

func run(ctx context.Context, args []string, stdout, stderr *cli.Output) (int, error) {
	opt, err := parse(args)
	if err != nil {
		return 1, err
	}
	opt.out = stdout
	// what is fetched and compiled is told as it begins: it may be gigabytes
	if err := opt.build(deb.WithProgress(ctx, stderr), stderr); err != nil {
		return 1, err
	}
	return 0, nil
}

// build builds the stages, and does with them what the flags say.
func (opt *options) build(ctx context.Context, stderr *cli.Output) error {
	c, err := corpus.Open(ctx, opt.from, opt.to, opt.how)
	if err != nil {
		return err
	}
	fmt.Fprintf(stderr, "%d files differ between %s and %s\n", len(c.Files), c.From.Package.Version, c.To.Package.Version)
	var finish func(context.Context, string) error
	if opt.complete {
		if finish, err = completer(ctx, c); err != nil {
			return err
		}
	}
	switch {
	case opt.time:
		return timeAll(ctx, c, finish, opt)
	case opt.judge:
		opt.progress = tool.Progress(stderr)
		defer opt.progress.Stop()
		return judgeAll(ctx, c, finish, opt)
	}
	for _, s := range opt.stages {
		dir, err := c.Build(ctx, s, finish)
		if err != nil {
			return err
		}
		fmt.Fprintln(opt.out, s.Name, dir)
	}
	return nil
}

// judgeAll judges the stages one after the other.
func judgeAll(ctx context.Context, c *corpus.Corpus, finish func(context.Context, string) error, opt *options) error {
	pre, err := c.Build(ctx, corpus.Pre, finish)
	if err != nil {
		return err
	}
	runs := c.From
	if opt.reverse {
		runs = c.To
	}
	var k *module.Kernel // nil when it is by another compiler
	if opt.how.CC.Command == "" {
		if k, err = open(ctx, runs); err != nil {
			return err
		}
		defer k.Close()
	}
	for _, s := range opt.stages {
		j, err := judgeStage(ctx, k, c, pre, s, finish, opt)
		if err != nil {
			return err
		}
		if opt.together {
			j.together(ctx, k, opt)
		}
		if opt.load {
			if err := load(ctx, runs, j); err != nil {
				return err
			}
		}
		if k == nil && s.Patch {
			if err := beside(ctx, c, j, s, finish, opt); err != nil {
				return err
			}
		}
		if opt.json {
			err = j.json(opt.out)
		} else {
			j.print(opt.out, opt.all)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func judgeStage(ctx context.Context, k *module.Kernel, c *corpus.Corpus, pre string, s corpus.Stage, finish func(context.Context, string) error, opt *options) (*judged, error) {
	post, err := c.Build(ctx, s, finish)
	if err != nil {
		return nil, err
	}
	if opt.reverse {
		pre, post = post, pre
	}
	j, err := judge(ctx, k, c, pre, post, opt)
	if err != nil {
		return nil, err
	}
	j.Stage = s.Name
	return j, nil
}

func open(ctx context.Context, k *debkernel.Kernel) (*module.Kernel, error) {
	vmlinux, err := k.Vmlinux(ctx)
	if err != nil {
		return nil, err
	}
	return module.OpenKernel(vmlinux)
}

// completer returns what has objtool complete an object in place.
func completer(ctx context.Context, c *corpus.Corpus) (func(context.Context, string) error, error) {
	k, err := open(ctx, c.From)
	if err != nil {
		return nil, err
	}
	tool, err := c.From.Objtool(ctx)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, object string) error {
		out, err := k.Objtool(ctx, tool, object, filepath.Dir(object))
		if err != nil {
			return errors.Join(err, os.Remove(out))
		}
		return os.Rename(out, object)
	}, nil
}
