// Corpus builds real kernel patches as objects, to see what a tool makes of
// them: each file in C that differs between two versions of a stock kernel, and
// is built into it.
//
//	corpus [-from RELEASE] [-to RELEASE] [-objtool] STAGE...
//
// It prints the folder of each stage. Stages are pre and post, the old and the
// new file in the old tree; raw, pre without objtool; tree, the new file in the new tree; lines, top and
// end, the old file with blank lines or an unused function; order, with its
// functions in another order; clang and clang-lines by that compiler; all, every file that
// is built in. It needs what building a kernel needs, and Debian's packages.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"

	"github.com/gosplice/gosplice/internal/corpus"
	"github.com/gosplice/gosplice/splice/module"
)

func main() {
	from := flag.String("from", "6.1.0-47-cloud-amd64", "the older kernel: a release, or the beginning of one")
	to := flag.String("to", "6.1.0-50-cloud-amd64", "the newer kernel")
	objtool := flag.Bool("objtool", false, "have the kernel's objtool complete the objects, for kernels with IBT")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *from, *to, *objtool, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "corpus:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, from, to string, objtool bool, names []string) error {
	c, err := corpus.Open(ctx, from, to)
	if err != nil {
		return err
	}
	fmt.Printf("%d files differ between %s and %s\n", len(c.Files), c.From.Package.Version, c.To.Package.Version)
	var finish func(context.Context, string) error
	if objtool {
		if finish, err = completer(ctx, c); err != nil {
			return err
		}
	}
	for _, name := range names {
		i := slices.IndexFunc(corpus.Stages, func(s corpus.Stage) bool { return s.Name == name })
		if i < 0 {
			return fmt.Errorf("no stage %q", name)
		}
		dir, err := c.Build(ctx, corpus.Stages[i], finish)
		if err != nil {
			return err
		}
		fmt.Println(name, dir)
	}
	return nil
}

// completer returns what has objtool complete an object in place.
func completer(ctx context.Context, c *corpus.Corpus) (func(context.Context, string) error, error) {
	vmlinux, err := c.From.Vmlinux(ctx)
	if err != nil {
		return nil, err
	}
	k, err := module.OpenKernel(vmlinux)
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
