package program

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/internal/cbuild"
	"github.com/gosplice/gosplice/splice/source"
	"github.com/gosplice/gosplice/splice/source/patch"
)

// Build makes updates of patches: one of each installed program and library in which they change
// something. What can't be carried is in the result; an error is for what went wrong.
func (b *Builder) Build(ctx context.Context, patches ...*patch.Patch) (*source.Result, error) {
	if b.pre == nil {
		return nil, errNotOpen
	}
	w := &work{b: b, r: source.Unfinished(b.opt.Name, source.Identity{}, patches...), at: time.Now()}
	p, err := b.plan(ctx, patches)
	if err != nil {
		return nil, err
	}
	w.fixes = fixesOf(b.opt.Fixes, patches)
	return w.do(ctx, p)
}

// fixesOf are what an update says that it fixes.
func fixesOf(given []string, patches []*patch.Patch) []string {
	if len(given) > 0 {
		return given
	}
	var out []string
	for _, p := range patches {
		for _, id := range p.CVEs {
			if !slices.Contains(out, id) {
				out = append(out, id)
			}
		}
	}
	return out
}

// work is what becomes of a plan.
type work struct {
	b     *Builder
	p     *plan
	r     *source.Result
	at    time.Time
	fixes []string
	list  []*compared
	dir   string // of objects
}

// compared is a pair of objects with what differs.
type compared struct {
	*pair
	pre, post cbuild.Object
	diff      *elfdiff.Diff // nil where pre and post are the same bytes
	result    source.ObjectResult
	refused   []*finding.Refusal
	used      bool // an installed file has it
	idle      bool // no installed file has it, which is certain
}

// matters reports whether there is something to carry.
func (c *compared) matters() bool {
	return c.diff != nil && c.diff.Outcome() != elfdiff.OutcomeSame && c.diff.Outcome() != elfdiff.OutcomeIgnored
}

// lap notes how long a stage took.
func (w *work) lap(name string) {
	now := time.Now()
	w.r.Stages = append(w.r.Stages, source.Stage{Name: name, Elapsed: now.Sub(w.at)})
	w.at = now
}

// do makes the updates of a plan.
func (w *work) do(ctx context.Context, p *plan) (*source.Result, error) {
	w.p = p
	w.r.Stages = append(w.r.Stages, source.Stage{Name: "build", Elapsed: w.b.took})
	w.b.took = 0
	w.r.Files = append(w.r.Files, p.files...)
	w.r.Refusals = append(w.r.Refusals, p.refusals...)
	w.lap("plan")
	if len(p.refusals) > 0 {
		w.r.Outcome = source.OutcomeFailed
		return w.r, nil
	}
	var err error
	if w.dir, err = os.MkdirTemp("", "gosplice-objects-"); err != nil {
		return nil, err
	}
	defer os.RemoveAll(w.dir)
	for _, x := range p.pairs {
		w.list = append(w.list, &compared{pair: x, result: source.NewObjectResult(x.name, x.source)})
	}
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{{"compile", w.compile}, {"compare", w.compare}, {"match and make", w.match}} {
		if err := step.do(ctx); err != nil {
			return nil, err
		}
		w.lap(step.name)
	}
	for _, c := range w.list {
		w.r.Objects = append(w.r.Objects, c.result)
	}
	w.conclude()
	return w.r, nil
}

// compile compiles all objects, without and with the patches.
func (w *work) compile(ctx context.Context) error {
	for _, c := range w.list {
		if c.pair.pre >= 0 && w.b.pre.Units[c.pair.pre].LTO || c.pair.post >= 0 && w.p.post.Units[c.pair.post].LTO {
			c.refused = append(c.refused, refuse(CodeLTO, "", c.name, "it is compiled with link time optimization: there is no code of its own to compare"))
		}
	}
	if len(w.list) == 0 {
		return nil
	}
	scratch, err := w.b.pre.NewScratch(ctx)
	if err != nil {
		return err
	}
	defer scratch.Close()
	count := w.b.tell.Begin("compile", 2*len(w.list))
	if err := w.side(ctx, scratch, "pre", func(c *compared) (int, *cbuild.Object) { return c.pair.pre, &c.pre }, count.Done); err != nil {
		return err
	}
	if w.p.post == w.b.pre {
		err = scratch.Change(w.p.changes, w.p.modes)
	} else {
		if err := scratch.Close(); err != nil {
			return err
		}
		scratch, err = w.p.post.NewScratch(ctx)
		if err == nil {
			defer scratch.Close()
		}
	}
	if err != nil {
		return err
	}
	return w.side(ctx, scratch, "post", func(c *compared) (int, *cbuild.Object) { return c.pair.post, &c.post }, count.Done)
}

// side compiles one side.
func (w *work) side(ctx context.Context, s *cbuild.Scratch, name string, of func(*compared) (int, *cbuild.Object), done func()) error {
	var units []int
	var to []*cbuild.Object
	for _, c := range w.list {
		if len(c.refused) > 0 {
			continue
		}
		n, o := of(c)
		if n < 0 {
			path, err := w.empty()
			if err != nil {
				return err
			}
			o.Path = path
			continue
		}
		units, to = append(units, n), append(to, o)
	}
	made, err := s.Compile(ctx, units, filepath.Join(w.dir, name), done)
	if err != nil {
		return err
	}
	for i := range made {
		*to[i] = made[i]
	}
	return nil
}

// empty is the object of a source that there is not.
func (w *work) empty() (string, error) {
	path := filepath.Join(w.dir, "empty.o")
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	var nothing elfobj.Builder
	_, err = nothing.WriteTo(f)
	return path, errors.Join(err, f.Close())
}

// compare compares all objects.
func (w *work) compare(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(w.b.opt.Jobs)
	count := w.b.tell.Begin("compare", len(w.list))
	for _, c := range w.list {
		g.Go(func() error {
			defer count.Done()
			return w.compareOne(ctx, c)
		})
	}
	return g.Wait()
}

func (w *work) compareOne(ctx context.Context, c *compared) error {
	r := &c.result
	r.Because = c.because
	for _, o := range c.outputs {
		r.Target = joined(r.Target, w.b.pre.Rel(o))
	}
	if len(c.outputs) == 0 {
		r.Target = noProgram
	}
	if len(c.refused) > 0 {
		r.Outcome = elfdiff.OutcomeRefused
		return nil
	}
	if err := errors.Join(c.pre.Err, c.post.Err); err != nil {
		r.Outcome = elfdiff.OutcomeRefused
		x := refuse(CodeObject, "", c.source, "it does not compile")
		x.Err = err
		c.refused = append(c.refused, x)
		return nil
	}
	var err error
	if r.Pre, err = describe(&c.pre); err != nil {
		return err
	}
	if r.Post, err = describe(&c.post); err != nil || r.Pre.Digest == r.Post.Digest {
		return err
	}
	pre, err := elfdiff.Open(c.pre.Path)
	if errors.Is(err, elfdiff.ErrMachine) {
		r.Findings = append(r.Findings, finding.Finding{Code: CodeMachine, Severity: finding.Ignored, Section: c.name, Message: "it is for another machine than x86-64", Hint: hints[CodeMachine]})
		return nil // packages have libraries for several
	}
	if err != nil {
		return err
	}
	post, err := elfdiff.Open(c.post.Path)
	if err != nil {
		return err
	}
	if c.diff, err = elfdiff.CompareContext(ctx, pre, post, elfdiff.Options{Accept: w.b.opt.Accept, Types: elfdiff.HasTypes(pre) && elfdiff.HasTypes(post)}); err != nil {
		return fmt.Errorf("compare %s: %w", c.name, err)
	}
	r.Describe(c.diff)
	return nil
}

// noProgram is what an object is part of that is linked into nothing that the build leaves.
const noProgram = "no program"

// joined is a list for people.
func joined(list, more string) string {
	if list == "" {
		return more
	}
	return list + ", " + more
}

// describe says what an object is.
func describe(o *cbuild.Object) (source.Compiled, error) {
	text, err := os.ReadFile(o.Path)
	return source.Compiled{Digest: fmt.Sprintf("%x", sha256.Sum256(text)), Elapsed: o.Elapsed}, err
}
