package debkernel

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/gosplice/gosplice/internal/deb"
)

// The packages of the same build as that of an image. All but kbuild's are known by name.

func debug(image deb.Package) deb.Package {
	return sibling(image, imagePrefix+Release(image)+debugEnd)
}

// imageParts are the packages that have the parts of an image since 7.1 or so: its own package
// depends on them, and has nothing.
func imageParts(image deb.Package) []deb.Package {
	var out []deb.Package
	for _, what := range []string{"linux-binary-", "linux-base-", "linux-modules-"} {
		out = append(out, sibling(image, what+Release(image)))
	}
	return out
}

func headers(image deb.Package) deb.Package {
	return sibling(image, "linux-headers-"+Release(image))
}

// common are the headers that flavours share; those of the real-time kernels are others.
func common(image deb.Package) deb.Package {
	base, flavour := split(Release(image))
	name := "linux-headers-" + base + "-common"
	if strings.HasPrefix(flavour, "rt-") {
		name += "-rt"
	}
	return sibling(image, name)
}

func source(image deb.Package) deb.Package {
	return sibling(image, "linux-source-"+series(image))
}

// series returns the first two parts of the release: "6.1".
func series(image deb.Package) string {
	return strings.Join(strings.SplitN(Release(image), ".", 3)[:2], ".")
}

// kbuild finds the package with the build tools: one for the series in kernels
// of a stable release ("6.1"), one for each kernel in others ("6.12.9+deb12").
func kbuild(ctx context.Context, cache *deb.Cache, image deb.Package) (deb.Package, error) {
	base, _ := split(Release(image))
	found, err := cache.Find(ctx, "linux-kbuild-("+regexp.QuoteMeta(base)+"|"+regexp.QuoteMeta(series(image))+")")
	if err != nil {
		return deb.Package{}, err
	}
	for _, p := range found {
		if p.Version == image.Version {
			return p, nil
		}
	}
	return deb.Package{}, fmt.Errorf("linux-kbuild for %s: %w: only in other versions: %s", image, deb.ErrUnavailable, found)
}

func sibling(image deb.Package, name string) deb.Package {
	return deb.Package{Name: name, Version: image.Version}
}
