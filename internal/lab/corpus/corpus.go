// Package corpus builds real kernel patches as objects: each .c file that
// differs between two versions of a distribution's kernel and is built into it
// is one. What one gets is a folder of objects for each [Stage], with the paths
// of the sources, so that a pair is the same path in two folders.
//
//	c, err := corpus.Open(ctx, "6.1.0-47-cloud-amd64", "6.1.0-50-cloud-amd64", corpus.How{})
//	pre, err := c.Build(ctx, corpus.Pre, nil)
//	post, err := c.Build(ctx, corpus.Post, nil)
//	for pair := range c.Pairs(pre, post) { ... }
//
// All is compiled in the source tree of the older version with its stock
// configuration by one make for each stage, by its compiler or by another, and kept in the cache of package
// deb. A stage takes about a second of two processors for each file.
package corpus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/debkernel"
	"github.com/gosplice/gosplice/internal/lab/kbuild"
)

// A Corpus is the difference between two kernels.
type Corpus struct {
	From, To *debkernel.Kernel
	// Files are the sources that differ and are built into From, such as
	// "fs/proc/meminfo.c", sorted.
	Files []string

	from, to *kbuild.Tree
	cache    *deb.Cache
	how      How
}

// How says which objects a corpus has. With the zero value, it is all of them, by the
// compiler that the kernel was built with.
type How struct {
	CC    kbuild.Compiler
	Every int // each n-th file alone
}

// suffix tells what is made otherwise apart in the cache.
func (h How) suffix() string {
	out := ""
	if h.CC.Command != "" {
		out += "_" + h.CC.Command
	}
	if h.Every > 1 {
		out += fmt.Sprintf("_%d", h.Every)
	}
	return out
}

// Open finds out what differs between two kernels, by their releases or the
// beginnings of them (see [debkernel.Stock]). The first call for a kernel fetches its
// source and its debug information, which takes minutes.
func Open(ctx context.Context, from, to string, how How) (*Corpus, error) {
	c := &Corpus{how: how}
	var err error
	if c.cache, err = deb.OpenCache(); err != nil {
		return nil, err
	}
	if c.From, c.from, err = tree(ctx, from); err != nil {
		return nil, err
	}
	if c.To, c.to, err = tree(ctx, to); err != nil {
		return nil, err
	}
	all, err := c.BuiltIn(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range all {
		differs, err := c.differs(name)
		if err != nil {
			return nil, err
		}
		if differs {
			c.Files = append(c.Files, name)
		}
	}
	c.Files = each(c.Files, how.Every)
	return c, nil
}

// each returns each n-th of a list, beginning with the first.
func each(list []string, n int) []string {
	out := make([]string, 0, len(list))
	for i := 0; i < len(list); i += max(1, n) {
		out = append(out, list[i])
	}
	return out
}

func tree(ctx context.Context, release string) (*debkernel.Kernel, *kbuild.Tree, error) {
	k, err := debkernel.Stock(ctx, release)
	if err != nil {
		return nil, nil, err
	}
	t, err := kbuild.Prepare(ctx, k)
	return k, t, err
}

// BuiltIn lists the sources in C that are built into the older kernel.
func (c *Corpus) BuiltIn(ctx context.Context) ([]string, error) {
	path, err := c.From.Vmlinux(ctx)
	if err != nil {
		return nil, err
	}
	units, err := units(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var out []string
	for _, name := range units {
		if !strings.HasSuffix(name, ".c") || !filepath.IsLocal(name) {
			continue
		}
		if _, err := os.Stat(filepath.Join(c.from.Dir, name)); err == nil { // not one that the build made
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// differs reports whether a file differs; one that is gone does not count.
func (c *Corpus) differs(name string) (bool, error) {
	a, err := os.ReadFile(filepath.Join(c.from.Dir, name))
	if err != nil {
		return false, err
	}
	b, err := os.ReadFile(filepath.Join(c.to.Dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && !bytes.Equal(a, b), err
}

// A Pair is the object of one source in two stages.
type Pair struct{ Source, Pre, Post string }

// Pairs yields what was built in both folders, by source. The new version of a
// file does not always compile in the old tree: it may need a changed header.
func (c *Corpus) Pairs(pre, post string) iter.Seq[Pair] {
	return func(yield func(Pair) bool) {
		for _, name := range c.Files {
			object := strings.TrimSuffix(name, ".c") + ".o"
			p := Pair{name, filepath.Join(pre, object), filepath.Join(post, object)}
			if exists(p.Pre) && exists(p.Post) && !yield(p) {
				return
			}
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
