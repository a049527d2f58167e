package debkernel

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/progress"
)

// All is a kernel with all that its methods fetch.
type All struct {
	*Kernel
	VmlinuxPath, SymversPath, ObjtoolPath, SourcePath string
}

// fetchStage is the stage of [Kernel.FetchAll], whose parts are megabytes (10^6 bytes).
const fetchStage = "fetch"

// FetchAll fetches and unpacks all packages of the kernel at the same time, of 0.4 GB for the
// cloud flavour, and tells how much is there. Before that it finds out whether all are served.
// What is complete stays when it is interrupted.
func (k *Kernel) FetchAll(ctx context.Context, tell progress.Func) (*All, error) {
	kbuild, err := kbuild(ctx, k.cache, k.Package)
	if err != nil {
		return nil, err
	}
	pkgs := []deb.Package{debug(k.Package), source(k.Package), k.Package, headers(k.Package), kbuild}
	if err := k.cache.Served(ctx, pkgs...); err != nil {
		return nil, fmt.Errorf("kernel %s: %w", k.Release, err)
	}
	a := &All{Kernel: k}
	g, gctx := errgroup.WithContext(ctx)
	for _, part := range []struct {
		to    *string
		fetch func(context.Context) (string, error)
	}{
		{&a.VmlinuxPath, k.Vmlinux}, {&a.SourcePath, k.Source}, {&a.SymversPath, k.Symvers}, {&a.ObjtoolPath, k.Objtool},
		{new(string), func(ctx context.Context) (string, error) { return "", k.fetch(ctx) }},
	} {
		g.Go(func() (err error) {
			*part.to, err = part.fetch(gctx)
			return err
		})
	}
	stop := k.watch(ctx, tell, pkgs)
	err = g.Wait()
	stop()
	return a, err
}

// watch tells how much of the packages is there, until stop is called.
func (k *Kernel) watch(ctx context.Context, tell progress.Func, pkgs []deb.Package) (stop func()) {
	if tell == nil {
		return func() {}
	}
	sizes := k.cache.Sizes(ctx, pkgs...)
	total := int64(0)
	for _, p := range pkgs {
		total += sizes[p]
	}
	say := func() {
		have := int64(0)
		for _, p := range pkgs {
			have += min(sizes[p], k.cache.Present(p))
		}
		tell(fetchStage, int(have/1e6), int(total/1e6))
	}
	say()
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-time.After(time.Second / 2):
				say()
			case <-end:
				say()
				return
			}
		}
	}()
	return func() {
		close(end)
		<-ended
	}
}
