package distro

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/debkernel"
	"github.com/gosplice/gosplice/internal/progress"
)

// Options says where to look, and who is told. The zero value will do.
type Options struct {
	// Cache is the folder that keeps what is fetched; processes may share it. "" is the one
	// that the environment variable GOSPLICE_CACHE names, or gosplice in the user's folder
	// for such.
	Cache string
	// Suites of Debian are looked through instead of those that apt knows on this machine:
	// "trixie", "bullseye-security". Lists of their packages are kept in the cache.
	Suites []string
	// Mirror is the URL of the archive of these suites, and Security that of the ones whose
	// names end with "-security"; "" are those of deb.debian.org.
	Mirror, Security string
	// NoImage leaves the vmlinux out, which is most of what is fetched: for a kernel that runs here, and
	// is taken by its memory.
	NoImage bool
	// Progress, when set, is told how many megabytes (10^6 bytes) are fetched. Calls do not
	// overlap.
	Progress func(stage string, done, total int)
	// Log, when set, gets a line about each file that is fetched and unpacked. Lines may
	// come from several goroutines, one a call of Write.
	Log io.Writer
}

// Files are the files of one build of a kernel. None of them may be written to.
type Files struct {
	Release string // as uname -r prints it: 6.1.0-50-cloud-amd64
	Package string // the package of the image: linux-image-6.1.0-50-cloud-amd64
	Version string // of all packages: 6.1.176-1
	Source  string // the archive of its source, with the distribution's patches applied
	Config  string // the configuration that it was built with
	Image   string // its vmlinux, with symbols and debug information; "" with [Options].NoImage
	Modules string // the folder lib/modules/RELEASE
	Symvers string // its Module.symvers
	Boot    string // its vmlinuz
	Objtool string // the objtool that it was built with, "" where its package is served no more: the source has it too
	// Make are variables for make by which the build says whose it is: DISTRIBUTOR=Debian.
	Make []string
}

// MissingError tells which commands are missing, and how to install them.
type MissingError struct {
	Commands []string // sorted
	Packages []string // of Debian, which have them, sorted
}

// Error has the line that installs them.
func (e *MissingError) Error() string { return missingText(e.Commands, e.Packages) }

// Debian returns the files of a kernel of Debian, and fetches them when they are not in the
// cache, or installed here. release is a whole release such as "6.1.0-50-cloud-amd64", with
// "-unsigned" behind it for the package of that name, or the beginning of one with or
// without a flavour: "6.1", "6.12-rt-amd64". Then it is the newest, of the flavour cloud-amd64
// where none is named.
//
// Without [Options].Suites, apt's own lists of packages come first, and then lists of the
// suites that the release may be from. The error is a [MissingError], a [NotServedError] for
// a release that is not served, or apt's words. What is complete is kept when it fails, or
// when ctx ends it.
func Debian(ctx context.Context, release string, o Options) (*Files, error) {
	return o.get(ctx, release, "", "/")
}

// get gets a version of a release, "" for the newest. Packages that are installed below root
// are used.
func (o *Options) get(ctx context.Context, release, version, root string) (*Files, error) {
	if err := missing("apt-get", "apt-cache", "apt-config", "dpkg-deb"); err != nil {
		return nil, err
	}
	if o.Log != nil {
		ctx = deb.WithProgress(ctx, o.Log)
	}
	cache, err := o.cache()
	if err != nil {
		return nil, err
	}
	cache, p, err := o.find(ctx, cache, release, version)
	if err != nil {
		return nil, err
	}
	k := debkernel.Of(cache, p, root)
	k.NoVmlinux = o.NoImage
	all, err := k.FetchAll(ctx, progress.Func(o.Progress))
	if errors.Is(err, syscall.ENOSPC) {
		return nil, fmt.Errorf("%w; with more room below %s, the next call goes on with what is there", err, cache.Dir())
	}
	if err != nil {
		return nil, notServed(err)
	}
	return files(all), nil
}

func files(a *debkernel.All) *Files {
	return &Files{
		Release: a.Release, Package: a.Package.Name, Version: a.Package.Version, Source: a.SourcePath, Config: a.Config,
		Image: a.VmlinuxPath, Modules: a.ModuleDir, Symvers: a.SymversPath, Boot: a.Image, Objtool: a.ObjtoolPath,
		Make: a.Make(),
	}
}

func (o *Options) cache() (*deb.Cache, error) {
	if o.Cache != "" {
		return deb.NewCache(o.Cache)
	}
	return deb.OpenCache()
}

// listAge is how old lists of packages may be that are kept in the cache.
const listAge = 12 * time.Hour

// find finds the package of the image, and returns the cache by whose lists it was found.
func (o *Options) find(ctx context.Context, cache *deb.Cache, release, version string) (*deb.Cache, deb.Package, error) {
	if len(o.Suites) > 0 {
		return o.look(ctx, cache, deb.Sources{Suites: o.Suites, Mirror: o.Mirror, Security: o.Security}, release, version)
	}
	p, err := debkernel.FindVersion(ctx, cache, release, version)
	if !errors.Is(err, deb.ErrUnavailable) {
		return cache, p, err
	}
	suites := suitesOf(release)
	if len(suites) == 0 {
		return nil, p, notServed(err)
	}
	own, p, ownErr := o.look(ctx, cache, deb.Sources{Suites: suites, Mirror: o.Mirror, Security: o.Security}, release, version)
	var served *NotServedError
	if ownErr != nil && !errors.As(ownErr, &served) { // the lists can't be fetched
		return nil, p, errors.Join(notServed(err), ownErr)
	}
	return own, p, ownErr
}

func (o *Options) look(ctx context.Context, cache *deb.Cache, s deb.Sources, release, version string) (*deb.Cache, deb.Package, error) {
	own, err := cache.With(ctx, s, listAge)
	if err != nil {
		return nil, deb.Package{}, fmt.Errorf("lists of packages of %q: %w", s.Suites, err)
	}
	p, err := debkernel.FindVersion(ctx, own, release, version)
	return own, p, notServed(err)
}

// NotServedError tells that no mirror that was asked has such a kernel.
type NotServedError struct {
	Release string
	Version string   // of the package; "" for any
	Nearest []string // the releases of its flavour that are served next to it, from old to new
	Err     error    // what apt said
}

// Error names the nearest releases that are served.
func (e *NotServedError) Error() string { return fmt.Sprint(e.Err) }

// Unwrap returns Err.
func (e *NotServedError) Unwrap() error { return e.Err }

// notServed makes the error one of this package.
func notServed(err error) error {
	var e *debkernel.NotServedError
	if !errors.As(err, &e) {
		return err
	}
	return &NotServedError{Release: e.Release, Version: e.Version, Nearest: e.Nearest, Err: e}
}
