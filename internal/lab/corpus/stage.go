package corpus

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/lab/kbuild"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
)

// A Stage says what objects are made of.
type Stage struct {
	// Name is the folder's.
	Name string
	// Patch is that of a real patch: it has the text of the newer version.
	Patch bool
	// NewTree compiles in the source tree of the newer version.
	NewTree bool
	// Text makes the text that is compiled from that of the older version and
	// the newer one; nil leaves the tree as it is.
	Text func(old, new []byte) []byte
	// Flags are added to the compiler's.
	Flags string
	// All compiles every source that is built in, not only those that differ.
	All bool
	// NoObjtool leaves out what Build's finish would do.
	NoObjtool bool
	// Relink makes the object from that of Pre instead of compiling one.
	Relink func(ctx context.Context, pre, out string) error
}

// unused is a function that nothing calls, and that the compiler keeps.
const unused = "\nstatic int __attribute__((__used__, __noinline__)) gosplice_unused(int a)\n{\n\treturn a * 7 + 3;\n}\n"

// blank is what metamorphic tests put in front of a file.
const blank = "\n\n\n\n\n\n\n"

// The stages. Lines, Top and End change nothing that any function does.
var (
	Pre  = Stage{Name: "pre"}
	Post = Stage{Name: "post", Patch: true, Text: func(_, new []byte) []byte { return new }}
	// Raw is Pre as the compiler left it, where Build's finish does more.
	Raw = Stage{Name: "raw", NoObjtool: true}
	// Tree is Post with all headers of the newer version.
	Tree  = Stage{Name: "tree", Patch: true, NewTree: true}
	Lines = Stage{Name: "lines", Text: func(old, _ []byte) []byte { return append([]byte(blank), old...) }}
	Top   = Stage{Name: "top", Text: func(old, _ []byte) []byte { return append([]byte(unused), old...) }}
	End   = Stage{Name: "end", Text: func(old, _ []byte) []byte { return append(append([]byte{}, old...), unused...) }}
	// Order is Pre with its functions in the reverse order.
	Order = Stage{Name: "order", Relink: reverse}
	// All is the whole kernel, without debug information.
	All = Stage{Name: "all", All: true, Flags: "-g0"}
)

// Stages lists them by name.
var Stages = []Stage{Pre, Raw, Post, Tree, Lines, Top, End, Order, All}

// finishedSuffix tells folders apart whose objects finish has completed.
const finishedSuffix = "_objtool"

// Build makes the objects of a stage, once, and returns their folder. What is
// interrupted goes on from there in the next call. A file that does not compile
// has no object. finish, where it is not nil, is called for each object before it
// counts as made: it may put another file in its place, and must not write to it,
// since the copy of the tree shares it. Where the objects are there without that, they
// are completed, and not compiled again.
func (c *Corpus) Build(ctx context.Context, s Stage, finish func(ctx context.Context, object string) error) (string, error) {
	folder, files := c.From.Release+"_"+c.To.Release+c.how.suffix(), c.Files
	if s.All {
		folder = c.From.Release + How{CC: c.how.CC}.suffix()
		var err error
		if files, err = c.BuiltIn(ctx); err != nil {
			return "", err
		}
	}
	plain := filepath.Join(c.cache.Dir(), "corpus", folder, s.Name)
	if finish != nil {
		folder += finishedSuffix
	}
	name := filepath.Join("corpus", folder, s.Name)
	fill := func(dir string) error {
		if finish != nil && !s.NoObjtool && exists(plain) {
			return collect(ctx, plain, dir, files, finish)
		}
		return c.build(ctx, s, dir, files, finish)
	}
	if s.Relink != nil {
		pre, err := c.Build(ctx, Pre, finish)
		if err != nil {
			return "", err
		}
		fill = func(dir string) error { return c.relink(ctx, s, pre, dir) }
	}
	dir, err := c.cache.Make(ctx, name, fill)
	if err != nil {
		return "", fmt.Errorf("stage %s: %w", s.Name, err)
	}
	return dir, nil
}

// build compiles in a copy of the tree, and collects the objects. The copy stays
// when it is interrupted, with the objects that were made, so that the next call
// goes on from there.
func (c *Corpus) build(ctx context.Context, s Stage, dir string, files []string, finish func(context.Context, string) error) error {
	t := c.from
	if s.NewTree {
		t = c.to
	}
	if c.how.CC.Command != "" {
		var err error
		if t, err = t.With(ctx, c.how.CC); err != nil {
			return err
		}
	}
	work := strings.TrimSuffix(dir, ".tmp") + "." + filepath.Base(t.Dir)
	if !exists(work) {
		if err := c.copyTree(ctx, s, t, work, files); err != nil {
			return err
		}
	}
	args := []string{strings.TrimSpace(kbuild.Flags + " " + s.Flags)}
	if err := compile(ctx, t, work, args, files); err != nil {
		return err
	}
	if s.NoObjtool {
		finish = nil
	}
	if err := collect(ctx, work, dir, files, finish); err != nil {
		return err
	}
	return os.RemoveAll(work)
}

// copyTree makes the copy that a stage is compiled in.
func (c *Corpus) copyTree(ctx context.Context, s Stage, t *kbuild.Tree, work string, files []string) error {
	tmp := work + ".tmp"
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	if err := kbuild.Share(ctx, t.Dir, tmp); err != nil {
		return errors.Join(err, os.RemoveAll(tmp))
	}
	if s.Text != nil {
		for _, name := range files {
			if err := c.rewrite(s, name, tmp); err != nil {
				return errors.Join(err, os.RemoveAll(tmp))
			}
		}
	}
	return os.Rename(tmp, work)
}

// collect has finish complete the objects, and puts them into a folder.
func collect(ctx context.Context, work, dir string, files []string, finish func(context.Context, string) error) error {
	for _, name := range files {
		object := strings.TrimSuffix(name, ".c") + ".o"
		from, to := filepath.Join(work, object), filepath.Join(dir, object)
		if !exists(from) {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		// The object in the copy of the tree stays as make left it.
		if err := os.Link(from, to); err != nil {
			return err
		}
		if finish != nil {
			if err := finish(ctx, to); err != nil {
				return err
			}
		}
	}
	return nil
}

// rewrite gives the copy of the tree another version of a source.
func (c *Corpus) rewrite(s Stage, name, work string) error {
	old, err := os.ReadFile(filepath.Join(c.from.Dir, name))
	if err != nil {
		return err
	}
	post, err := os.ReadFile(filepath.Join(c.to.Dir, name))
	if err != nil && !s.All {
		return err
	}
	path := filepath.Join(work, name)
	if err := os.Remove(path); err != nil { // it is a name of the file in the tree
		return err
	}
	return os.WriteFile(path, s.Text(old, post), 0o644)
}

// compile has one make compile all files, as far as they compile.
func compile(ctx context.Context, t *kbuild.Tree, work string, args, files []string) error {
	objects := make([]string, len(files))
	for i, name := range files {
		objects[i] = strings.TrimSuffix(name, ".c") + ".o"
	}
	goals, err := t.Goals(objects...)
	if err != nil {
		return err
	}
	stop := tellMade(ctx, work, objects)
	said, err := t.Make(ctx, work, slices.Concat(args, []string{"-k"}, goals)...)
	stop()
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, object := range objects {
		if exists(filepath.Join(work, object)) {
			return nil // what does not compile is no pair
		}
	}
	return fmt.Errorf("make made nothing: %w: %s", err, said[max(0, len(said)-2000):])
}

// tellEvery is how often it is told how many objects are made.
const tellEvery = 20 * time.Second

// tellMade tells how many objects make has made, until it is stopped.
func tellMade(ctx context.Context, work string, objects []string) (stop func()) {
	tell := func() {
		made := 0
		for _, object := range objects {
			if exists(filepath.Join(work, object)) {
				made++
			}
		}
		deb.Progress(vmtest.Watched(ctx), "%s: %d of %d objects", filepath.Base(filepath.Dir(work))+"/"+filepath.Base(work), made, len(objects))
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		tell()
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(tellEvery):
				tell()
			}
		}
	})
	return func() { cancel(); wg.Wait() }
}
