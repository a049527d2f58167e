package deb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gosplice/gosplice/internal/child"
)

// ErrUnavailable is what every error is about a package that can't be had here:
// apt is missing, its lists do not know the package, or it cannot be downloaded.
var ErrUnavailable = errors.New("package is not available through apt")

// Package names one package in one version.
type Package struct {
	Name    string
	Version string // "" asks for apt's candidate, as apt-get does
}

// String returns the form that apt-get takes on its command line.
func (p Package) String() string {
	if p.Version == "" {
		return p.Name
	}
	return p.Name + "=" + p.Version
}

// Find returns the packages which apt can download and whose whole name matches
// the pattern, the newest version first. Every version that is served counts as
// a package of its own. None is an [ErrUnavailable].
//
// apt-cache also knows names without a version, which are only mentioned as
// somebody's dependency: they are left out.
func (c *Cache) Find(ctx context.Context, pattern string) ([]Package, error) {
	re, err := regexp.Compile("^(?:" + pattern + ")$")
	if err != nil {
		return nil, fmt.Errorf("find package: %w", err)
	}
	prefix, _ := regexp.MustCompile("^(?:" + pattern + ")").LiteralPrefix()
	out, err := c.aptCache(ctx, "pkgnames", prefix)
	if err != nil {
		return nil, err
	}
	var names []string
	for name := range strings.FieldsSeq(string(out)) {
		if re.MatchString(name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("package %s: %w (apt-get update may help)", pattern, ErrUnavailable)
	}
	slices.Sort(names)
	out, err = c.aptCache(ctx, append([]string{"madison"}, names...)...)
	if err != nil {
		return nil, err
	}
	pkgs := parseMadison(string(out))
	if len(pkgs) == 0 {
		return nil, fmt.Errorf("package %s: %w: known by name only", pattern, ErrUnavailable)
	}
	return pkgs, nil
}

// aptCache runs apt-cache with a binary form of the package lists that is kept
// in this cache: containers are often set up without apt's own, which only root
// may write, and then each command reads all the lists, for a second. apt knows by
// itself when it is out of date.
func (c *Cache) aptCache(ctx context.Context, args ...string) ([]byte, error) {
	dir := filepath.Join(c.dir, "apt")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	unlock, err := Lock(ctx, filepath.Join(dir, "lock"))
	if err != nil {
		return nil, err
	}
	defer unlock()
	return apt(ctx, "", "apt-cache", append([]string{
		"-o", "Dir::Cache::pkgcache=" + filepath.Join(dir, "pkgcache.bin"),
		"-o", "Dir::Cache::srcpkgcache=" + filepath.Join(dir, "srcpkgcache.bin"),
	}, args...)...)
}

// size says how large a package is, or nothing when apt does not know.
func (c *Cache) size(ctx context.Context, p Package) string {
	out, err := c.aptCache(ctx, "show", "--no-all-versions", p.String())
	m := sizeField.FindSubmatch(out)
	if err != nil || m == nil {
		return ""
	}
	n, _ := strconv.ParseUint(string(m[1]), 10, 63)
	return fmt.Sprintf(", %.1f MB", float64(n)/1e6)
}

var sizeField = regexp.MustCompile(`(?m)^Size: (\d+)$`)

// parseMadison reads lines of "name | version | source", of which several may
// name the same package, and sorts them.
func parseMadison(out string) []Package {
	var pkgs []Package
	for line := range strings.Lines(out) {
		f := strings.Split(line, "|")
		if len(f) != 3 || strings.HasSuffix(strings.TrimSpace(f[2]), " Sources") {
			continue
		}
		pkgs = append(pkgs, Package{Name: strings.TrimSpace(f[0]), Version: strings.TrimSpace(f[1])})
	}
	slices.SortStableFunc(pkgs, func(a, b Package) int {
		if c := Compare(b.Version, a.Version); c != 0 {
			return c
		}
		return Compare(b.Name, a.Name)
	})
	return slices.Compact(pkgs)
}

// download puts the package's file into dir, which must be empty, and returns
// its path. apt checks the file against the hash in its signed lists.
func download(ctx context.Context, dir string, p Package) (string, error) {
	args := []string{"-q", "-o", "Dpkg::Use-Pty=0"}
	if os.Geteuid() == 0 {
		// apt would drop to the user _apt, who may not write to a private
		// cache, and warn that it could not.
		args = append(args, "-o", "APT::Sandbox::User=root")
	}
	if _, err := apt(ctx, dir, "apt-get", append(args, "download", p.String())...); err != nil {
		return "", err
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil || len(files) != 1 {
		return "", fmt.Errorf("apt-get download %s left %d files", p, len(files))
	}
	return files[0], nil
}

// apt runs one of apt's commands in dir and returns what it printed. Any
// failure but the context's is an [ErrUnavailable].
func apt(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	child.EndTogether(cmd)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%s: %w", name, context.Cause(ctx))
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s %q: %w: %s", ErrUnavailable, name, args, err, bytes.TrimSpace(stderr.Bytes()))
	}
	return out, nil
}
