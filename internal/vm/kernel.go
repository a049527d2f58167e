package vm

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/gosplice/gosplice/internal/deb"
)

// Kernel is a kernel that was built by Debian, unpacked in the cache. Nothing
// below the paths may be written to.
type Kernel struct {
	// Release is what uname -r prints, such as "6.1.0-50-cloud-amd64".
	Release string
	// Image is the path of the vmlinuz.
	Image string
	// Config is the path of the build configuration (CONFIG_X=y lines).
	Config string
	// ModuleDir is the path of lib/modules/RELEASE.
	ModuleDir string
	// Package is where it came from. Its version is that of the source, which
	// the other packages of the same build share.
	Package deb.Package

	cache *deb.Cache
}

// Stock returns a stock kernel of the cloud flavour. release is a whole release,
// such as "6.1.0-50-cloud-amd64", or the beginning of one, such as "6.1" or
// "6.12": then the newest is taken that apt can download. The error is a
// [deb.ErrUnavailable] when there is none.
func Stock(ctx context.Context, release string) (*Kernel, error) {
	cache, err := deb.OpenCache()
	if err != nil {
		return nil, err
	}
	pattern := "linux-image-" + regexp.QuoteMeta(release)
	if !strings.HasSuffix(release, "-cloud-amd64") {
		pattern += `\.[-+.~0-9a-z]*-cloud-amd64`
	}
	found, err := cache.Find(ctx, pattern)
	if err != nil {
		return nil, fmt.Errorf("kernel %s: %w", release, err)
	}
	return newKernel(ctx, cache, found[0])
}

func newKernel(ctx context.Context, cache *deb.Cache, p deb.Package) (*Kernel, error) {
	k := &Kernel{Release: strings.TrimPrefix(p.Name, "linux-image-"), Package: p, cache: cache}
	patterns := []string{"boot/vmlinuz-" + k.Release, "boot/config-" + k.Release, "lib/modules/" + k.Release}
	dir, err := cache.Tree(ctx, patterns, p)
	if err != nil {
		return nil, fmt.Errorf("kernel %s: %w", k.Release, err)
	}
	k.Image, k.Config = filepath.Join(dir, patterns[0]), filepath.Join(dir, patterns[1])
	k.ModuleDir = filepath.Join(dir, patterns[2])
	return k, nil
}

// Vmlinux fetches the ELF image with symbols and debug information, of some
// hundred megabytes, and returns its path.
func (k *Kernel) Vmlinux(ctx context.Context) (string, error) {
	name := "usr/lib/debug/boot/vmlinux-" + k.Release
	dir, err := k.cache.Tree(ctx, []string{name}, k.sibling("linux-image-"+k.Release+"-dbg"))
	return filepath.Join(dir, name), err
}

// FetchAll fetches all packages of the kernel that this package and package kbuild use,
// of about half a gigabyte, and tells how many are done.
func (k *Kernel) FetchAll(ctx context.Context) error {
	steps := []struct {
		what  string
		fetch func(context.Context) (string, error)
	}{
		{"symbols and debug information", k.Vmlinux}, {"source", k.Source}, {"headers", k.Headers},
		{"exports", k.Symvers}, {"objtool", k.Objtool},
	}
	for i, s := range steps {
		deb.Progress(ctx, "%s of %s (%d of %d)", s.what, k.Release, i+1, len(steps))
		if _, err := s.fetch(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Headers fetches what one builds modules with, the kernel's own build tools
// included, and returns the folder that stands for the root of the system that
// they were installed on. [Kernel.Symvers] and [Kernel.Objtool] lie in it.
//
// The tools were made for the Debian release that the kernel is from.
func (k *Kernel) Headers(ctx context.Context) (string, error) {
	kbuild, err := k.kbuild(ctx)
	if err != nil {
		return "", err
	}
	common := strings.TrimSuffix(k.Release, "-cloud-amd64") + "-common"
	return k.cache.Tree(ctx, []string{"usr/src", "usr/lib"},
		k.sibling("linux-headers-"+k.Release), k.sibling("linux-headers-"+common), kbuild)
}

// Symvers returns the path of Module.symvers, which lists every exported symbol
// with its CRC.
func (k *Kernel) Symvers(ctx context.Context) (string, error) {
	name := "usr/src/linux-headers-" + k.Release + "/Module.symvers"
	dir, err := k.cache.Tree(ctx, []string{name}, k.sibling("linux-headers-"+k.Release))
	return filepath.Join(dir, name), err
}

// Objtool returns the path of the objtool that the kernel was built with. It
// needs libelf, which every Debian system has.
func (k *Kernel) Objtool(ctx context.Context) (string, error) {
	kbuild, err := k.kbuild(ctx)
	if err != nil {
		return "", err
	}
	dir, err := k.cache.Tree(ctx, []string{"usr/lib"}, kbuild)
	if err != nil {
		return "", err
	}
	// Since 6.12 "objtool" runs the one for the architecture in $SRCARCH.
	for _, name := range []string{"objtool.real-x86", "objtool"} {
		found, err := filepath.Glob(filepath.Join(dir, "usr/lib/linux-kbuild-*/tools/objtool", name))
		if err != nil {
			return "", err
		}
		if len(found) > 0 {
			return found[0], nil
		}
	}
	return "", fmt.Errorf("%s has no objtool", kbuild)
}

// Source fetches the patched source that the kernel was built from and returns
// the path of the archive, linux-source-VERSION.tar.xz.
func (k *Kernel) Source(ctx context.Context) (string, error) {
	series := k.series()
	name := "usr/src/linux-source-" + series + ".tar.xz"
	dir, err := k.cache.Tree(ctx, []string{name}, k.sibling("linux-source-"+series))
	return filepath.Join(dir, name), err
}

// sibling names another package of the same build.
func (k *Kernel) sibling(name string) deb.Package {
	return deb.Package{Name: name, Version: k.Package.Version}
}

// series returns the first two parts of the release: "6.1".
func (k *Kernel) series() string {
	return strings.Join(strings.SplitN(k.Release, ".", 3)[:2], ".")
}

// kbuild finds the package with the build tools: one for the series in kernels
// of a stable release ("6.1"), one for each kernel in others ("6.12.9+deb12").
func (k *Kernel) kbuild(ctx context.Context) (deb.Package, error) {
	exact := strings.TrimSuffix(k.Release, "-cloud-amd64")
	found, err := k.cache.Find(ctx, "linux-kbuild-("+regexp.QuoteMeta(exact)+"|"+regexp.QuoteMeta(k.series())+")")
	if err != nil {
		return deb.Package{}, err
	}
	for _, p := range found {
		if p.Version == k.Package.Version {
			return p, nil
		}
	}
	return deb.Package{}, fmt.Errorf("linux-kbuild for %s: %w: only in other versions: %s", k.Package, deb.ErrUnavailable, found)
}

// Has reports whether the kernel's configuration contains the line, such as
// "CONFIG_LIVEPATCH=y".
func (k *Kernel) Has(line string) (bool, error) {
	b, err := os.ReadFile(k.Config)
	return strings.Contains("\n"+string(b), "\n"+line+"\n"), err
}
