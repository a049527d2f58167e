package program

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/progress"
)

// DebianOptions say where packages of Debian come from. The zero value will do.
type DebianOptions struct {
	// Cache is that of [Options].
	Cache string
	// Suites are those of Debian whose lists are asked; without one it is those of this system's release:
	// "bookworm", "bookworm-updates", "bookworm-security".
	Suites []string
	// Mirror is the URL of the archive, and Security that of security updates; "" are those of
	// deb.debian.org.
	Mirror, Security string
	// Jobs is how many compilers the build is told to run at once; 0 is as many as there are
	// processors.
	Jobs int
	// Installed are the files that updates are for, instead of those of the package.
	Installed []string
	// SourceOnly leaves the files of the package alone: for a version that [Builder.To] goes to. The version
	// is that of the source package then.
	SourceOnly bool
	// Progress, when set, is told when a stage begins. Calls do not overlap.
	Progress func(stage string, done, total int)
	// Log, when set, gets a line about each file that is fetched.
	Log io.Writer
}

// listAge is how old lists of packages may be that are kept in the cache.
const listAge = 12 * time.Hour

// Debian returns the source of a binary package of Debian, with the patches of the distribution
// applied and the command that builds it, and the files of what is installed of it: of all
// packages of that source, in that version. What is not installed is fetched: the package and
// those of the same source that it depends on. name may have a version, as in apt: "redis-server=5:7.0.15-1~deb12u7"; without it is the
// one that is installed, or else apt's candidate.
//
// What the package needs to be built and is not here is an [ErrMissing], which has the line that installs it.
// Nothing is installed.
func Debian(ctx context.Context, name string, o DebianOptions) (Source, error) {
	if err := missing("apt-get", "apt-cache", "apt-config", "dpkg-deb", "dpkg-query", "dpkg-source", "dpkg-buildpackage", "dpkg-checkbuilddeps"); err != nil {
		return Source{}, err
	}
	if o.Log != nil {
		ctx = deb.WithProgress(ctx, o.Log)
	}
	count := progress.Func(o.Progress).Begin("fetch", 1)
	defer count.Done()
	cache, err := o.open(ctx)
	if err != nil {
		return Source{}, err
	}
	var p deb.Package
	p.Name, p.Version, _ = strings.Cut(name, "=")
	r, here, err := o.record(ctx, cache, p)
	if err != nil {
		return Source{}, err
	}
	dir, binary, err := cache.Source(ctx, r.Source)
	if err != nil {
		return Source{}, err
	}
	s := Source{Dir: dir, Build: debianBuild, Env: debianEnv(o.Jobs), Installed: o.Installed, Package: r.Name + " " + r.Version}
	if o.SourceOnly {
		s.Package = r.Source.Name + " " + r.Source.Version
	}
	if err := buildable(ctx, dir); err != nil {
		return Source{}, err
	}
	if len(o.Installed) > 0 || o.SourceOnly {
		return s, nil
	}
	if here {
		s.Installed, err = installed(ctx, binary, r.Version)
	} else {
		s.Installed, err = fetched(ctx, cache, r, binary)
	}
	if err == nil && len(s.Installed) == 0 {
		err = fmt.Errorf("package %s has no program and no library", s.Package)
	}
	return s, err
}

// debianBuild builds a package as the distribution does, up to what is put into it.
const debianBuild = "dpkg-buildpackage -T build-arch -us -uc -d"

// debianEnv is the environment of the builds of packages. Tests are left out.
func debianEnv(jobs int) []string {
	if jobs <= 0 {
		jobs = runtime.NumCPU()
	}
	return []string{fmt.Sprintf("DEB_BUILD_OPTIONS=nocheck parallel=%d", jobs), "LC_ALL=C.UTF-8", "TZ=UTC"}
}

// open opens the cache, with lists of packages and their sources.
func (o *DebianOptions) open(ctx context.Context) (*deb.Cache, error) {
	dir, err := deb.Folder(o.Cache)
	if err != nil {
		return nil, err
	}
	cache, err := deb.NewCache(dir)
	if err != nil {
		return nil, err
	}
	suites := o.Suites
	if len(suites) == 0 {
		release := deb.Release()
		if release == "" {
			return nil, fmt.Errorf("this system is no release of Debian: name the suites that the package is of")
		}
		suites = []string{release, release + "-updates", release + "-security"}
	}
	return cache.With(ctx, deb.Sources{Suites: suites, Mirror: o.Mirror, Security: o.Security, Source: true}, listAge)
}

// record finds out which package is meant, and whether it is installed here.
func (o *DebianOptions) record(ctx context.Context, cache *deb.Cache, p deb.Package) (*deb.Record, bool, error) {
	version := deb.InstalledVersion(ctx, "/", p.Name)
	here := version != "" && cmp.Or(p.Version, version) == version
	if here {
		p.Version = version
	}
	if o.SourceOnly { // the version is that of a source: any of its packages tells its name
		r, err := cache.Record(ctx, deb.Package{Name: p.Name})
		if err == nil {
			r.Source.Version = p.Version
		}
		return r, false, err
	}
	r, err := cache.Record(ctx, p)
	return r, here, err
}

// buildable says what a source lacks to be built here.
func buildable(ctx context.Context, dir string) error {
	lost, err := deb.Unmet(ctx, dir, false)
	if err != nil || len(lost) == 0 {
		return err
	}
	return fmt.Errorf("%w, and needed to build it: %s (apt-get build-dep -P nocheck --no-install-recommends %s)", ErrMissing, strings.Join(lost, ", "), dir)
}

// forTests says what a source lacks for its tests alone. These are left out, but some packages look for it all the
// same when they are configured. "" is for a source that lacks nothing, or is no package.
func forTests(ctx context.Context, dir string) string {
	if _, err := os.Stat(filepath.Join(dir, "debian/control")); err != nil {
		return ""
	}
	if missing("dpkg-checkbuilddeps") != nil {
		return ""
	}
	lost, err := deb.Unmet(ctx, dir, true)
	if err != nil || len(lost) == 0 {
		return ""
	}
	return fmt.Sprintf("; it may look for what its tests need, which is not here: %s (apt-get build-dep --no-install-recommends %s)", strings.Join(lost, ", "), dir)
}

// installed lists the files of those packages that are installed in a version.
func installed(ctx context.Context, names []string, version string) ([]string, error) {
	var out []string
	for _, n := range names {
		if deb.InstalledVersion(ctx, "/", n) != version {
			continue
		}
		list, err := deb.InstalledFiles(ctx, n)
		if err != nil {
			return nil, err
		}
		out = append(out, list...)
	}
	return out, nil
}

// fetched lists the files of a package that is not installed, and of those of its source that
// it depends on.
func fetched(ctx context.Context, cache *deb.Cache, r *deb.Record, names []string) ([]string, error) {
	all := []deb.Package{r.Package}
	rest := []*deb.Record{r}
	for len(rest) > 0 {
		x := rest[0]
		rest = rest[1:]
		for _, d := range x.Depends {
			p := deb.Package{Name: d, Version: r.Version}
			if !slices.Contains(names, d) || slices.Contains(all, p) {
				continue
			}
			more, err := cache.Record(ctx, p)
			if err != nil {
				continue // of another version: no part of this build
			}
			all, rest = append(all, p), append(rest, more)
		}
	}
	return cache.Files(ctx, all...)
}
