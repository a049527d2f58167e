package ktree

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
)

// An Object is what became of a unit.
type Object struct {
	Unit    Unit
	Path    string // in the cache; it must not be written to
	Cached  bool   // it had been compiled before, or had failed
	Elapsed time.Duration
	// Err is a [*CompileError] where the compiler did not take the source.
	Err error
}

// Compile makes objects with an overlay over the tree, as many at once as the tree's Spec
// says. What was made before of the same contents by the same command is taken from the
// cache, where each object is kept as soon as it is made: a call that was interrupted, or
// killed, costs the rest only. An object that does not compile does not end the others, and has an
// Err; the error is for what keeps all from it, such as a full disk ([ErrNoSpace]).
func (t *Tree) Compile(ctx context.Context, units []Unit, o Overlay) ([]Object, error) {
	e, err := t.edition(o)
	if err != nil {
		return nil, err
	}
	out := make([]Object, len(units))
	for i := range units {
		out[i].Unit = units[i]
	}
	missing, err := t.keptAll(ctx, out, e)
	if err != nil {
		return nil, err
	}
	count := t.spec.Progress.Begin("compile", len(units))
	for range len(units) - len(missing) {
		count.Done()
	}
	if len(missing) == 0 {
		return out, nil
	}
	c, err := t.compilation(ctx, e)
	if err != nil {
		return nil, err
	}
	err = c.all(ctx, out, missing, count.Done)
	if err := errors.Join(err, c.release()); err != nil {
		return nil, err
	}
	return out, nil
}

// A compilation is a place in which an edition is compiled.
type compilation struct {
	tree  *Tree
	ed    *edition
	dir   string     // the tree with the overlay
	work  *workspace // which it is, nil when it is the tree itself
	out   *scratch
	locks []*os.File // what commands are given, so that nobody takes their folders from them
}

func (t *Tree) compilation(ctx context.Context, e *edition) (*compilation, error) {
	out, err := t.scratch()
	if err != nil {
		return nil, err
	}
	c := &compilation{tree: t, ed: e, dir: t.dir, out: out, locks: []*os.File{out.lock}}
	if len(e.overlay) == 0 {
		return c, nil
	}
	if c.work, err = t.workspace(ctx); err != nil {
		return nil, errors.Join(err, out.release())
	}
	c.dir, c.locks = c.work.dir, append(c.locks, c.work.lock)
	if err := c.work.apply(e.overlay); err != nil {
		return nil, errors.Join(t.explain(err), c.release())
	}
	return c, nil
}

// release gives its folders back.
func (c *compilation) release() error {
	err := c.out.release()
	if c.work != nil {
		err = errors.Join(err, c.work.release())
	}
	return err
}

// all compiles the objects of some places in a list. Those that need what the build makes on
// the way come last: make makes these.
func (c *compilation) all(ctx context.Context, out []Object, missing []int, done func()) error {
	lacking := make([]bool, len(missing))
	err := c.tree.each(ctx, len(missing), func(ctx context.Context, k int) error {
		o := &out[missing[k]]
		err := c.one(ctx, o, filepath.Join(c.out.dir, strconv.Itoa(k)))
		var ce *CompileError
		if errors.As(err, &ce) {
			if lacking[k] = c.lacksGenerated(ce); lacking[k] {
				return nil
			}
			o.Err, err = ce, c.keepFailure(ctx, &o.Unit, ce, filepath.Join(c.out.dir, strconv.Itoa(k)))
		}
		done()
		return err
	})
	if err != nil {
		return err
	}
	var rest []*Object
	for k, i := range missing {
		if lacking[k] {
			rest = append(rest, &out[i])
		}
	}
	if len(rest) == 0 {
		return nil
	}
	return c.made(ctx, rest, done)
}

// one compiles an object, by way of files in the scratch folder, and keeps it.
func (c *compilation) one(ctx context.Context, o *Object, base string) error {
	began := time.Now()
	u := &o.Unit
	if err := c.run(ctx, u, base+".o", base+".d"); err != nil {
		return err
	}
	text, err := os.ReadFile(base + ".d")
	if err != nil {
		return err
	}
	list, err := c.tree.embedded(c.dir, u, parseDeps(text))
	if err != nil {
		return err
	}
	o.Elapsed = time.Since(began)
	o.Path, err = c.tree.keep(u, c.ed, base+".o", list, o.Elapsed)
	return c.tree.explain(err)
}

// each calls a function for the numbers below n, as many at once as there are jobs.
func (t *Tree) each(ctx context.Context, n int, f func(context.Context, int) error) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, t.spec.Jobs))
	for i := range n {
		g.Go(func() error {
			if gctx.Err() != nil {
				return context.Cause(gctx)
			}
			return f(gctx, i)
		})
	}
	if err := g.Wait(); err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	} else {
		return err
	}
}
