package debkernel

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/vm"
)

// Kernel is a kernel that was built by Debian. What boots of it is unpacked in the cache;
// the methods fetch the rest. Nothing below the paths may be written to.
type Kernel struct {
	vm.Kernel
	// Config is the path of the build configuration (CONFIG_X=y lines).
	Config string
	// Package is where it came from. Its version is that of the source, which
	// the other packages of the same build share.
	Package deb.Package
	// NoVmlinux has [Kernel.FetchAll] leave the vmlinux out.
	NoVmlinux bool

	cache *deb.Cache
	root  string // of the system whose installed packages are used, "" for none
}

// Stock returns the kernel that [Find] finds in the user's cache, fetched. The error is a
// [deb.ErrUnavailable] when there is none.
func Stock(ctx context.Context, release string) (*Kernel, error) {
	cache, err := deb.OpenCache()
	if err != nil {
		return nil, err
	}
	p, err := Find(ctx, cache, release)
	if err != nil {
		return nil, err
	}
	return Fetch(ctx, cache, p)
}

// Fetch fetches what boots of the kernel whose image is in the package p.
func Fetch(ctx context.Context, cache *deb.Cache, p deb.Package) (*Kernel, error) {
	k := Of(cache, p, "")
	return k, k.fetch(ctx)
}

// Of returns a kernel of which nothing is fetched yet: it has a release and a package. What
// is installed on the system with that root, in this very version, is not fetched but used
// as it is there; "" is no system.
func Of(cache *deb.Cache, p deb.Package, root string) *Kernel {
	return &Kernel{Kernel: vm.Kernel{Release: Release(p)}, Package: p, cache: cache, root: root}
}

// tree returns the folder below which the chosen paths of packages are.
func (k *Kernel) tree(ctx context.Context, patterns []string, pkgs ...deb.Package) (string, error) {
	if k.root != "" && deb.Installed(ctx, k.root, patterns, pkgs...) {
		return k.root, nil
	}
	return k.cache.Tree(ctx, patterns, pkgs...)
}

func (k *Kernel) fetch(ctx context.Context) error {
	// Distributions whose /lib is /usr/lib have the modules there.
	patterns := []string{"boot/vmlinuz-" + k.Release, "boot/config-" + k.Release, "lib/modules/" + k.Release + "|usr/lib/modules/" + k.Release}
	dir, err := k.tree(ctx, patterns, k.Package)
	if parts := imageParts(k.Package); err != nil && ctx.Err() == nil && k.cache.Served(ctx, parts...) == nil {
		modules := "usr/lib/modules/" + k.Release // where all else is too
		patterns = []string{modules + "/vmlinuz", modules + "/config", modules}
		dir, err = k.tree(ctx, patterns, parts...)
	}
	for i, to := range []*string{&k.Image, &k.Config, &k.ModuleDir} {
		if err == nil {
			*to, err = deb.Locate(dir, patterns[i])
		}
	}
	if err != nil {
		return fmt.Errorf("kernel %s: %w", k.Release, err)
	}
	return nil
}

// Vmlinux fetches the ELF image with symbols and debug information, of some
// hundred megabytes, and returns its path.
func (k *Kernel) Vmlinux(ctx context.Context) (string, error) {
	name := "usr/lib/debug/boot/vmlinux-" + k.Release
	dir, err := k.tree(ctx, []string{name}, debug(k.Package))
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
		return filepath.Join(dir, name), nil
	}
	name = "usr/lib/debug/lib/modules/" + k.Release + "/vmlinux" // what leads there
	dir, err = k.tree(ctx, []string{name}, debug(k.Package))
	return filepath.Join(dir, name), err
}

// Headers fetches what one builds modules with, the kernel's own build tools
// included, and returns the folder that stands for the root of the system that
// they were installed on. [Kernel.Symvers] and [Kernel.Objtool] lie in it.
//
// The tools were made for the Debian release that the kernel is from.
func (k *Kernel) Headers(ctx context.Context) (string, error) {
	kbuild, err := kbuild(ctx, k.cache, k.Package)
	if err != nil {
		return "", err
	}
	return k.tree(ctx, []string{"usr/src", "usr/lib"}, headers(k.Package), common(k.Package), kbuild)
}

// Symvers returns the path of Module.symvers, which lists every exported symbol
// with its CRC.
func (k *Kernel) Symvers(ctx context.Context) (string, error) {
	name := "usr/src/linux-headers-" + k.Release + "/Module.symvers"
	dir, err := k.tree(ctx, []string{name}, headers(k.Package))
	return filepath.Join(dir, name), err
}

// Objtool returns the path of the objtool that the kernel was built with. It
// needs libelf, which every Debian system has.
func (k *Kernel) Objtool(ctx context.Context) (string, error) {
	kbuild, err := kbuild(ctx, k.cache, k.Package)
	if err != nil {
		return "", err
	}
	dir, err := k.tree(ctx, []string{"usr/lib"}, kbuild)
	if err != nil {
		return "", err
	}
	// Since 6.12 "objtool" runs the one for the architecture in $SRCARCH.
	name, err := deb.Locate(dir, "usr/lib/"+kbuild.Name+"/tools/objtool/objtool.real-x86|usr/lib/"+kbuild.Name+"/tools/objtool/objtool")
	if err != nil {
		return "", fmt.Errorf("objtool of %s: %w", kbuild, err)
	}
	return name, nil
}

// Source fetches the patched source that the kernel was built from and returns
// the path of the archive, linux-source-VERSION.tar.xz.
func (k *Kernel) Source(ctx context.Context) (string, error) {
	p := source(k.Package)
	name := "usr/src/" + p.Name + ".tar.xz"
	dir, err := k.tree(ctx, []string{name}, p)
	return filepath.Join(dir, name), err
}

// Make returns the variables for make by which Debian's build says whose it is, and those by
// which a build in the folder of the source makes what Debian's makes outside of it.
func (k *Kernel) Make() []string {
	list := []string{"DISTRIBUTION_OFFICIAL_BUILD=1", "DISTRIBUTOR=Debian", "DISTRIBUTION_VERSION=" + k.Package.Version}
	if since(k.Package.Version, 6, 13) { // 6.12 says so by itself, and 7.3 does not (Makefile of Linux)
		list = append(list, "KCPPFLAGS=-fmacro-prefix-map=./=")
	}
	return list
}

// since reports whether a package is of a version of Linux, or of a later one.
func since(version string, major, minor int) bool {
	var v [2]int
	_, err := fmt.Sscanf(version, "%d.%d", &v[0], &v[1])
	return err == nil && (v[0] > major || v[0] == major && v[1] >= minor)
}

// Has reports whether the kernel's configuration contains the line, such as
// "CONFIG_LIVEPATCH=y".
func (k *Kernel) Has(line string) (bool, error) {
	b, err := os.ReadFile(k.Config)
	return strings.Contains("\n"+string(b), "\n"+line+"\n"), err
}
