package kbuild

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/ktree"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
)

// A Compiler compiles a tree in the place of the one that the kernel was built with.
type Compiler struct {
	// Command is its name, which is that of Debian's package of it, such as "gcc-10".
	Command string
	// Buildroot is where it runs: a folder with a distribution, or a release of Debian,
	// such as "bullseye", which is fetched once. With "" it runs on this system.
	Buildroot string
}

// With returns the tree configured for another compiler, and leaves t as it is. What it
// shares with it are the files of the source.
func (t *Tree) With(ctx context.Context, c Compiler) (*Tree, error) {
	// What is for modules or for linking the kernel is left out, as neither is made of such
	// objects: versions of exports, for which make would preprocess each source once more, and
	// programs about BTF, which a newer system does not always compile.
	args := slices.Concat(t.args, []string{"CC=" + c.Command, "CONFIG_MODVERSIONS=", "CONFIG_DEBUG_INFO_BTF="})
	out := &Tree{Kernel: t.Kernel, cache: t.cache, args: args}
	if c.Buildroot != "" {
		deb.Progress(vmtest.Watched(ctx), "look for %s in %s", c.Command, c.Buildroot)
		var err error
		if out.root, err = ktree.Suite(ctx, t.cache.Dir(), c.Buildroot, c.Command, nil); err != nil {
			return nil, err
		}
	}
	config, err := os.ReadFile(t.Kernel.Config)
	if err != nil {
		return nil, err
	}
	name := filepath.Join("kbuild", filepath.Base(t.Dir)+"_"+c.Command)
	out.Dir, err = t.cache.Make(ctx, name, func(dir string) error {
		deb.Progress(vmtest.Watched(ctx), "configure the source of %s for %s", t.Kernel.Release, c.Command)
		if err := os.Remove(dir); err != nil { // Share makes it
			return err
		}
		if err := Share(ctx, t.Dir, dir); err != nil {
			return err
		}
		return out.again(ctx, dir, config)
	})
	if err != nil {
		return nil, fmt.Errorf("source of %s for %s: %w", t.Kernel.Release, c.Command, err)
	}
	return out, nil
}

// again configures a tree that was prepared before, perhaps on another system: its
// programs may not run here.
func (t *Tree) again(ctx context.Context, dir string, config []byte) error {
	for _, args := range [][]string{{"-C", "tools/objtool", "clean"}, {"mrproper"}} {
		if said, err := t.Make(ctx, dir, args...); err != nil {
			return fmt.Errorf("make %s: %w: %s", args, err, said[max(0, len(said)-2000):])
		}
	}
	return t.configure(ctx, dir, config)
}
