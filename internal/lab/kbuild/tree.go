// Package kbuild makes objects of real kernel source for tests: the source that
// a stock kernel was built from, with its configuration and compiler options,
// so that what it compiles is what runs.
//
// The prepared source tree lives in the cache of package deb and is never
// written to afterwards: changed sources and all objects go elsewhere.
package kbuild

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/child"
	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/debkernel"
	"github.com/gosplice/gosplice/internal/ktree"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
)

// Flags give each function and variable a section of its own. They come last on
// the compiler's command line, and change no instruction but for the width of
// some jumps.
const Flags = "KCFLAGS=" + ktree.DefaultFlags

// A Tree is the prepared source of one kernel.
type Tree struct {
	Dir    string // its root; must not be written to
	Kernel *debkernel.Kernel
	cache  *deb.Cache
	args   []string // make's, about the kernel's identity
	root   string   // where make runs: see [Tree.With]; "" for this system
}

// Need returns the tree for a stock kernel, or skips the test when the source or
// the tools to build it are missing. The first call on a machine takes minutes.
func Need(t testing.TB, k *debkernel.Kernel) *Tree {
	t.Helper()
	testenv.NeedKernels(t)
	testenv.Need(t, "gcc", "make", "tar", "xz", "flex", "bison", "bc")
	tree, err := Prepare(t.Context(), k)
	if errors.Is(err, deb.ErrUnavailable) {
		testenv.Skip(t, "%v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// Prepare unpacks and configures the source of a stock kernel, once.
func Prepare(ctx context.Context, k *debkernel.Kernel) (*Tree, error) {
	cache, err := deb.OpenCache()
	if err != nil {
		return nil, err
	}
	config, err := os.ReadFile(k.Config)
	if err != nil {
		return nil, err
	}
	t := &Tree{Kernel: k, cache: cache}
	if t.args, err = identity(k, config); err != nil {
		return nil, err
	}
	version := strings.NewReplacer("/", "_", ":", "_").Replace(k.Package.Version)
	name := "kbuild/" + k.Release + "_" + version + "." + layout
	if t.Dir, err = cache.Make(ctx, name, func(dir string) error { return t.prepare(ctx, dir, config) }); err != nil {
		return nil, fmt.Errorf("source of %s: %w", k.Release, err)
	}
	return t, nil
}

// layout is part of the names of trees in the cache. It changes with what prepare
// does, so that no tree is used that was prepared otherwise.
const layout = "2"

func (t *Tree) prepare(ctx context.Context, dir string, config []byte) error {
	k := t.Kernel
	archive, err := k.Source(ctx)
	if err != nil {
		return err
	}
	deb.Progress(vmtest.Watched(ctx), "unpack and configure the source of %s", k.Release)
	if err := run(ctx, dir, "tar", "--strip-components=1", "-xf", archive); err != nil {
		return err
	}
	return t.configure(ctx, dir, config)
}

// configure makes what compiling in an unpacked source takes.
func (t *Tree) configure(ctx context.Context, dir string, config []byte) error {
	// The packaged configuration lacks the text that tells builds apart, which
	// becomes a note of the image.
	config = append(slices.Clip(config), "CONFIG_BUILD_SALT=\""+t.Kernel.Release+"\"\n"...)
	if err := os.WriteFile(filepath.Join(dir, ".config"), config, 0o644); err != nil {
		return err
	}
	for _, target := range []string{"olddefconfig", "modules_prepare"} {
		if said, err := t.Make(ctx, dir, target); err != nil {
			return fmt.Errorf("make %s: %w: %s", target, err, said[max(0, len(said)-2000):])
		}
	}
	return nil
}

// run runs a tool, whose last words become the error.
func run(ctx context.Context, dir, name string, args ...string) error {
	_, err := output(ctx, dir, name, args...)
	return err
}

// output runs a tool and returns what it prints.
func output(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = environ()
	child.EndTogether(cmd)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%s: %w: %s%s", cmd, err, said.Bytes()[max(0, said.Len()-2000):], out[max(0, len(out)-500):])
	}
	return out, err
}
