package debkernel

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/progress"
)

// All is a kernel with all that its methods fetch.
type All struct {
	*Kernel
	VmlinuxPath, SymversPath, SourcePath string
	ObjtoolPath                          string // "" where the build tools are not served: the source has it too
}

// fetchStage is the stage of [Kernel.FetchAll], whose parts are megabytes (10^6 bytes).
const fetchStage = "fetch"

// FetchAll fetches and unpacks all packages of the kernel at the same time, of 0.4 GB for the
// cloud flavour, and tells how much is there. Before that it finds out whether all are served.
// What is complete stays when it is interrupted. The build tools of an old version may be gone
// from the archive where its image and source are not: then it does without.
func (k *Kernel) FetchAll(ctx context.Context, tell progress.Func) (*All, error) {
	pkgs, err := k.packages(ctx)
	if errors.Is(err, deb.ErrUnavailable) {
		return nil, &NotServedError{Release: k.Release, Version: k.Package.Version, Nearest: nearest(ctx, k.cache, k.Release), Err: err}
	}
	if err != nil {
		return nil, err
	}
	a := &All{Kernel: k}
	stop := k.watch(ctx, tell, pkgs)
	defer stop()
	g, gctx := errgroup.WithContext(ctx)
	for _, part := range []struct {
		to    *string
		fetch func(context.Context) (string, error)
	}{
		{&a.VmlinuxPath, k.vmlinuxIfWanted}, {&a.SourcePath, k.Source}, {&a.SymversPath, k.Symvers}, {&a.ObjtoolPath, k.objtoolIfServed},
		{new(string), func(ctx context.Context) (string, error) { return "", k.fetch(ctx) }},
	} {
		g.Go(func() (err error) {
			*part.to, err = part.fetch(gctx)
			return err
		})
	}
	return a, g.Wait()
}

// packages returns the packages to fetch. That one is not served is an [deb.ErrUnavailable].
func (k *Kernel) packages(ctx context.Context) ([]deb.Package, error) {
	pkgs := []deb.Package{source(k.Package), k.Package, headers(k.Package)}
	if !k.NoVmlinux {
		pkgs = append(pkgs, debug(k.Package))
	}
	switch kbuild, err := kbuild(ctx, k.cache, k.Package); {
	case err == nil:
		pkgs = append(pkgs, kbuild)
	case !errors.Is(err, deb.ErrUnavailable):
		return nil, err
	}
	if k.root != "" {
		pkgs = slices.DeleteFunc(pkgs, func(p deb.Package) bool { return deb.Installed(ctx, k.root, nil, p) })
	}
	return pkgs, k.cache.Served(ctx, pkgs...)
}

// vmlinuxIfWanted is Vmlinux, or "" where it is left out.
func (k *Kernel) vmlinuxIfWanted(ctx context.Context) (string, error) {
	if k.NoVmlinux {
		return "", nil
	}
	return k.Vmlinux(ctx)
}

// objtoolIfServed is Objtool, or "" where no package that is served has it.
func (k *Kernel) objtoolIfServed(ctx context.Context) (string, error) {
	path, err := k.Objtool(ctx)
	if errors.Is(err, deb.ErrUnavailable) {
		return "", nil
	}
	return path, err
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
