package source

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/files"
	"github.com/gosplice/gosplice/internal/ktree"
)

// compiled is an object without and with the patches.
type compiled struct {
	*planned
	preFile, postFile string // "" where there is none
	pre, post         Compiled
	failed            error  // of the compiler
	unaffected        string // why it was not compiled, "" when it was
}

// fewUnits are as many objects as are compiled without asking first which of them are affected.
const fewUnits = 4

// compile makes the objects of a plan, both ways, but for those that what changes in headers
// does not concern.
func (b *Builder) compile(ctx context.Context, p *Plan) ([]compiled, error) {
	out := make([]compiled, len(p.units))
	for i := range p.units {
		out[i].planned = &p.units[i]
	}
	if len(out) > fewUnits {
		if err := b.leaveOutUnaffected(ctx, p, out); err != nil {
			return nil, err
		}
	}
	var list []*compiled
	for i := range out {
		if out[i].unaffected == "" {
			list = append(list, &out[i])
		}
	}
	return out, b.compileBoth(ctx, p, list)
}

// leaveOutUnaffected asks which objects have nothing that uses what differs. Asking takes a fifth of
// the time of compiling, so that some are asked about first: where nearly all of these have something,
// the rest is compiled without asking.
func (b *Builder) leaveOutUnaffected(ctx context.Context, p *Plan, list []compiled) error {
	var ask []*compiled
	for i := range list {
		u := list[i].planned
		if u.pre == nil || u.post == nil || u.pre.Command != u.post.Command || u.pre.Objtool != u.post.Objtool {
			continue
		}
		if _, own := p.overlay[u.post.Source]; own {
			continue
		}
		ask = append(ask, &list[i])
	}
	some, rest := sample(ask)
	left, err := b.askUnaffected(ctx, p, some)
	if err != nil || left*5 < len(some) {
		return err
	}
	_, err = b.askUnaffected(ctx, p, rest)
	return err
}

// sample takes one in eight out of a list, at least four, from all over it. The order stays.
func sample[T any](list []T) (some, rest []T) {
	n, next := min(max(len(list)/8, 4), len(list)), 0
	for i, x := range list {
		if len(some) < n && i == next {
			some = append(some, x)
			next = len(some) * len(list) / n
		} else {
			rest = append(rest, x)
		}
	}
	return some, rest
}

// askUnaffected notes which objects have nothing that uses what differs, and returns how many.
func (b *Builder) askUnaffected(ctx context.Context, p *Plan, list []*compiled) (int, error) {
	var units []ktree.Unit
	for _, c := range list {
		units = append(units, *c.planned.post)
	}
	why, err := b.subject.Unaffected(ctx, units, p.overlay)
	if err != nil {
		return 0, err
	}
	n := 0
	for i, c := range list {
		if c.unaffected = why[i]; c.unaffected != "" {
			n++
		}
	}
	return n, nil
}

// compileUnaffected compiles what was left out: somebody has to know all of it.
func (b *Builder) compileUnaffected(ctx context.Context, p *Plan, list []compiled) error {
	var rest []*compiled
	for i := range list {
		if list[i].unaffected != "" {
			list[i].unaffected = ""
			rest = append(rest, &list[i])
		}
	}
	if len(rest) == 0 {
		return nil
	}
	return b.compileBoth(ctx, p, rest)
}

// compileBoth makes some objects, both ways.
func (b *Builder) compileBoth(ctx context.Context, p *Plan, list []*compiled) error {
	pre, err := b.compileSide(ctx, list, nil, func(u *planned) *ktree.Unit { return u.pre })
	if err != nil {
		return err
	}
	post, err := b.compileSide(ctx, list, p.overlay, func(u *planned) *ktree.Unit { return u.post })
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(b.opt.Jobs)
	count := b.tell.Begin("complete", len(list))
	for i, c := range list {
		g.Go(func() error {
			defer count.Done()
			if c.failed = firstError(pre[i].Err, post[i].Err); c.failed != nil {
				return nil
			}
			var err error
			if c.preFile, c.pre, err = b.complete(ctx, c.planned.pre, &pre[i]); err != nil {
				return err
			}
			c.postFile, c.post, err = b.complete(ctx, c.planned.post, &post[i])
			return err
		})
	}
	return g.Wait()
}

func firstError(list ...error) error {
	for _, err := range list {
		if err != nil {
			return err
		}
	}
	return nil
}

// compileSide compiles one side; the results are in the order of the objects.
func (b *Builder) compileSide(ctx context.Context, list []*compiled, overlay ktree.Overlay, side func(*planned) *ktree.Unit) ([]ktree.Object, error) {
	var units []ktree.Unit
	var at []int
	for i := range list {
		if u := side(list[i].planned); u != nil {
			units, at = append(units, *u), append(at, i)
		}
	}
	made, err := b.subject.Compile(ctx, units, overlay)
	if err != nil {
		return nil, err
	}
	out := make([]ktree.Object, len(list))
	for i := range made {
		out[at[i]] = made[i]
	}
	return out, nil
}

// complete has objtool finish an object where the build of the kernel does so with the whole
// image only, and says what it is.
func (b *Builder) complete(ctx context.Context, u *ktree.Unit, o *ktree.Object) (string, Compiled, error) {
	c := Compiled{Kept: o.Cached, Elapsed: o.Elapsed}
	if u == nil {
		path, err := b.empty()
		return path, c, err
	}
	text, err := os.ReadFile(o.Path)
	if err != nil {
		return "", c, err
	}
	sum := sha256.Sum256(text)
	path := o.Path
	if b.wantsObjtool(u) {
		began := time.Now()
		if path, err = b.finish(ctx, o.Path, sum); err != nil {
			return "", c, err
		}
		c.Elapsed += time.Since(began)
		if text, err = os.ReadFile(path); err != nil {
			return "", c, err
		}
		sum = sha256.Sum256(text)
	}
	c.Digest = fmt.Sprintf("%x", sum)
	return path, c, nil
}

// wantsObjtool reports whether an object has tables to get from objtool yet.
func (b *Builder) wantsObjtool(u *ktree.Unit) bool {
	return b.objtool != "" && u.Objtool == "" && u.Special == ""
}

// finish runs objtool on a copy of an object, once for each content.
func (b *Builder) finish(ctx context.Context, object string, sum [sha256.Size]byte) (string, error) {
	to := filepath.Join(b.finished, fmt.Sprintf("%x.o", sum))
	if _, err := os.Stat(to); err == nil {
		return to, nil
	}
	if err := os.MkdirAll(b.finished, 0o755); err != nil {
		return "", err
	}
	work, err := os.MkdirTemp(b.finished, "work")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	done, err := b.image.Objtool(ctx, b.objtool, object, work)
	if err != nil {
		return "", err
	}
	return to, os.Rename(done, to)
}

// empty is the object of a source that there is not.
func (b *Builder) empty() (string, error) {
	path := filepath.Join(b.cache, "empty.o")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	var nothing elfobj.Builder
	return path, files.Write(path, &nothing)
}
