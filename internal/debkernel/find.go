package debkernel

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/internal/deb"
)

// DefaultFlavour is that of a release that names none.
const DefaultFlavour = "cloud-amd64"

const (
	imagePrefix = "linux-image-"
	unsigned    = "-unsigned"
	debugEnd    = "-dbg"
)

// releaseForm cuts a release into its base and its flavour. The packages of an image without
// Debian's signature have one more word, which the release does not have.
var releaseForm = regexp.MustCompile(`^(.+?)(?:-((?:[a-z]+-)*amd64)(-unsigned)?)?$`)

// versionPart is what may follow in a base: the rest of a version, and for which
// distribution it was built, as in "6.12.9+deb12" and "6.12.9+bpo". No flavour is like it.
const versionPart = `[-.+~](?:[-.+~0-9]|deb|bpo|u)*`

// Release returns the release of a kernel by the name of its image's package.
func Release(p deb.Package) string {
	return strings.TrimSuffix(strings.TrimPrefix(p.Name, imagePrefix), unsigned)
}

// split returns both parts of a release.
func split(release string) (base, flavour string) {
	m := releaseForm.FindStringSubmatch(release)
	if m == nil {
		return release, ""
	}
	return m[1], m[2]
}

// Find returns the package with the image of a kernel. release is a whole release, such as
// "6.1.0-50-cloud-amd64", or the beginning of one, such as "6.1", "6.1.0-50" or
// "6.1-rt-amd64": then the newest is taken that apt can download, of [DefaultFlavour] where
// none is named. An image with Debian's signature comes first, unless release ends with
// "-unsigned". The error is a [NotServedError] when there is none.
func Find(ctx context.Context, cache *deb.Cache, release string) (deb.Package, error) {
	return FindVersion(ctx, cache, release, "")
}

// FindVersion is [Find] for a version of the package; "" is the newest.
func FindVersion(ctx context.Context, cache *deb.Cache, release, version string) (deb.Package, error) {
	found, err := candidates(ctx, cache, release, version)
	if err != nil {
		err = errors.Unwrap(err) // what it was looked for by says nothing to people
	} else {
		if p, ok := choose(found, release, version); ok {
			return p, nil
		}
		err = fmt.Errorf("only in other versions: %s: %w", found, deb.ErrUnavailable)
	}
	if !errors.Is(err, deb.ErrUnavailable) {
		return deb.Package{}, err
	}
	return deb.Package{}, &NotServedError{Release: release, Version: version, Nearest: nearest(ctx, cache, release), Err: err}
}

// candidates returns the packages that a release may mean. What is only in the cache may be of
// another distribution: it counts where it is all that there is, or a version is named.
func candidates(ctx context.Context, cache *deb.Cache, release, version string) ([]deb.Package, error) {
	if version == "" {
		if served, err := cache.FindServed(ctx, pattern(release)); len(served) > 0 || err != nil && !errors.Is(err, deb.ErrUnavailable) {
			return served, err
		}
	}
	return cache.Find(ctx, pattern(release))
}

// pattern is for the names of the packages that a release may mean.
func pattern(release string) string {
	release = strings.ToValidUTF8(release, "?")
	m := releaseForm.FindStringSubmatch(release)
	if m == nil {
		return imagePrefix + regexp.QuoteMeta(release)
	}
	base, flavour, end := regexp.QuoteMeta(m[1]), m[2], "(?:"+unsigned+")?"
	if flavour == "" {
		flavour = DefaultFlavour
	}
	if m[3] != "" {
		end = unsigned
	}
	more := "(?:" + versionPart + ")?"
	if strings.Count(m[1], ".") < 2 { // such a package has no kernel, and depends on the newest
		more = versionPart
	}
	return imagePrefix + base + more + "-" + flavour + end
}

// choose takes the newest. A release that is written out is taken before longer ones.
func choose(found []deb.Package, release, version string) (deb.Package, bool) {
	if version != "" {
		found = slices.DeleteFunc(slices.Clone(found), func(p deb.Package) bool { return p.Version != version })
	}
	if len(found) == 0 {
		return deb.Package{}, false
	}
	exact := strings.TrimSuffix(release, unsigned)
	rank := func(p deb.Package) int {
		r := 0
		if Release(p) != exact {
			r = 2
		}
		if strings.HasSuffix(p.Name, unsigned) {
			r++
		}
		return r
	}
	return slices.MinFunc(found, func(a, b deb.Package) int {
		if (Release(a) == exact) != (Release(b) == exact) {
			return rank(a) - rank(b)
		}
		if c := deb.Compare(b.Version, a.Version); c != 0 {
			return c
		}
		return rank(a) - rank(b)
	}), true
}

// NotServedError tells that apt knows no such kernel.
type NotServedError struct {
	Release string
	Version string   // of the package; "" for any
	Nearest []string // the releases of its flavour that are served next to it, from old to new
	Err     error    // what apt said
}

// Error names the nearest releases.
func (e *NotServedError) Error() string {
	what := "kernel " + e.Release
	if e.Version != "" {
		what += ", version " + e.Version
	}
	if len(e.Nearest) == 0 {
		return fmt.Sprintf("%s: %v", what, e.Err)
	}
	return fmt.Sprintf("%s can't be had: %v; the nearest that can: %s", what, e.Err, strings.Join(e.Nearest, ", "))
}

// Unwrap returns Err, which is a [deb.ErrUnavailable].
func (e *NotServedError) Unwrap() error { return e.Err }

// nearest returns what else is served of the flavour: two older releases, and two newer ones.
// A release whose image alone is left does not count, nor one without its source.
func nearest(ctx context.Context, cache *deb.Cache, release string) []string {
	base, flavour := split(release)
	if flavour == "" {
		flavour = DefaultFlavour
	}
	found, err := cache.Find(ctx, imagePrefix+"[0-9]+\\.[0-9]+"+versionPart+"-"+flavour+debugEnd)
	if err != nil {
		return nil // nothing is served at all, as Find has said
	}
	sources, err := cache.Find(ctx, "linux-source-[0-9]+\\.[0-9]+")
	if err != nil {
		return nil
	}
	served := map[deb.Package]bool{}
	for _, p := range sources {
		served[p] = true
	}
	var all []string
	for _, p := range found {
		r := strings.TrimSuffix(Release(p), debugEnd)
		if r != base+"-"+flavour && served[source(p)] {
			all = append(all, r)
		}
	}
	return around(all, base+"-"+flavour, 2)
}

// around returns n of the releases below one, and n above, from old to new.
func around(all []string, release string, n int) []string {
	slices.SortFunc(all, deb.Compare)
	all = slices.Compact(all)
	at, _ := slices.BinarySearchFunc(all, release, deb.Compare)
	return all[max(0, at-n):min(len(all), at+n)]
}
