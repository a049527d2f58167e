package deb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

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
// a package of its own, and so does every one that is in the cache. None is an
// [ErrUnavailable].
//
// apt-cache also knows names without a version, which are only mentioned as
// somebody's dependency: they are left out.
func (c *Cache) Find(ctx context.Context, pattern string) ([]Package, error) {
	re, err := regexp.Compile("^(?:" + pattern + ")$")
	if err != nil {
		return nil, fmt.Errorf("find package: %w", err)
	}
	pkgs, err := c.FindServed(ctx, pattern)
	if err != nil && !errors.Is(err, ErrUnavailable) {
		return nil, err
	}
	if pkgs = sorted(append(pkgs, c.keptLike(re)...)); len(pkgs) == 0 {
		return nil, fmt.Errorf("package %s: %w", pattern, err)
	}
	return pkgs, nil
}

// FindServed is [Cache.Find] without what is only in the cache: that may be of another
// distribution than this one. None is an [ErrUnavailable].
func (c *Cache) FindServed(ctx context.Context, pattern string) ([]Package, error) {
	re, err := regexp.Compile("^(?:" + pattern + ")$")
	if err != nil {
		return nil, fmt.Errorf("find package: %w", err)
	}
	prefix, _ := regexp.MustCompile("^(?:" + pattern + ")").LiteralPrefix()
	pkgs, err := c.served(ctx, prefix, re)
	return sorted(pkgs), err
}

// served returns what apt can download. None is an [ErrUnavailable].
func (c *Cache) served(ctx context.Context, prefix string, re *regexp.Regexp) ([]Package, error) {
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
		return nil, fmt.Errorf("%w (apt-get update may help)", ErrUnavailable)
	}
	slices.Sort(names)
	out, err = c.aptCache(ctx, append([]string{"madison"}, names...)...)
	if err != nil {
		return nil, err
	}
	pkgs := parseMadison(string(out))
	if len(pkgs) == 0 {
		return nil, fmt.Errorf("%w: known by name only", ErrUnavailable)
	}
	return pkgs, nil
}

// keptLike returns the packages whose files are in the cache.
func (c *Cache) keptLike(re *regexp.Regexp) (pkgs []Package) {
	entries, err := os.ReadDir(filepath.Join(c.dir, "deb"))
	if err != nil {
		return nil // there are none yet
	}
	for _, e := range entries {
		name, version, ok := strings.Cut(fromFileName(e.Name()), "_")
		if p := (Package{Name: name, Version: version}); ok && re.MatchString(name) && c.kept(p) {
			pkgs = append(pkgs, p)
		}
	}
	return pkgs
}

// Served returns nil when apt can download each of the packages, or else an
// [ErrUnavailable] that names those that it can't.
func (c *Cache) Served(ctx context.Context, pkgs ...Package) error {
	args := []string{"madison"}
	for _, p := range pkgs {
		args = append(args, p.Name)
	}
	out, err := c.aptCache(ctx, args...)
	if err != nil {
		return err
	}
	served := parseMadison(string(out))
	var missing []string
	for _, p := range pkgs {
		if slices.Contains(served, p) || c.kept(p) {
			continue
		}
		what := p.String()
		var versions []string
		for _, s := range served {
			if s.Name == p.Name {
				versions = append(versions, s.Version)
			}
		}
		if len(versions) > 0 {
			what += " (there are " + strings.Join(versions, ", ") + ")"
		}
		missing = append(missing, what)
	}
	if len(missing) > 0 {
		return fmt.Errorf("%w: %s", ErrUnavailable, strings.Join(missing, ", "))
	}
	return nil
}

// Sizes returns how large the files of packages are, in bytes; 0 for one that apt does not
// know. It asks for each once.
func (c *Cache) Sizes(ctx context.Context, pkgs ...Package) map[Package]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	args := []string{"show", "--no-all-versions"}
	for _, p := range pkgs {
		if _, known := c.sizes[p]; !known {
			args = append(args, p.String())
		}
	}
	if len(args) > 2 {
		if out, err := c.aptCache(ctx, args...); err == nil {
			maps.Copy(c.sizes, parseSizes(string(out)))
		}
	}
	return maps.Clone(c.sizes)
}

// parseSizes reads what apt-cache show prints about packages.
func parseSizes(out string) map[Package]int64 {
	sizes := map[Package]int64{}
	for block := range strings.SplitSeq(out, "\n\n") {
		f := parseFields(block)
		if p := (Package{f["Package"], f["Version"]}); p.Name != "" {
			sizes[p], _ = strconv.ParseInt(f["Size"], 10, 64) // 0 is for what is not known
		}
	}
	return sizes
}

// parseFields reads the first lines of the fields of a paragraph (deb-control(5)).
func parseFields(block string) map[string]string {
	fields := map[string]string{}
	for line := range strings.Lines(block) {
		if key, value, ok := strings.Cut(strings.TrimRight(line, "\n"), ": "); ok {
			fields[key] = value
		}
	}
	return fields
}

// aptCache runs apt-cache, one at a time: it may have to renew the binary form of the
// lists.
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
	return c.apt(ctx, "", "apt-cache", args...)
}

// size says how large a package is, or nothing when apt does not know.
func (c *Cache) size(ctx context.Context, p Package) string {
	if !Watched(ctx) {
		return ""
	}
	if n := c.Sizes(ctx, p)[p]; n > 0 {
		return fmt.Sprintf(", %.1f MB", float64(n)/1e6)
	}
	return ""
}

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
	return sorted(pkgs)
}

// sorted sorts packages, the newest version first, each once.
func sorted(pkgs []Package) []Package {
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
func (c *Cache) download(ctx context.Context, dir string, p Package) (string, error) {
	args := []string{"-q", "-o", "Dpkg::Use-Pty=0", "-o", "Acquire::Retries=3"}
	if _, err := c.apt(ctx, dir, "apt-get", append(args, "download", p.String())...); err != nil {
		return "", err
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil || len(files) != 1 {
		return "", fmt.Errorf("apt-get download %s left %d files", p, len(files))
	}
	return files[0], nil
}

// apt runs one of apt's commands in dir and returns what it printed. Any
// failure but the context's and a full disk is an [ErrUnavailable].
func (c *Cache) apt(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	settings, env := c.settings()
	cmd := exec.CommandContext(ctx, name, slices.Concat(settings, args)...)
	child.EndTogether(cmd)
	cmd.Dir = dir
	cmd.Env = slices.Concat(os.Environ(), []string{"LC_ALL=C", "DEBIAN_FRONTEND=noninteractive"}, env)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%s: %w", name, context.Cause(ctx))
	}
	if err != nil {
		if strings.Contains(strings.ToLower(stderr.String()), syscall.ENOSPC.Error()) {
			err = fmt.Errorf("%w: %w", syscall.ENOSPC, err)
		}
		return nil, fmt.Errorf("%w: %s %s: %w: %s", ErrUnavailable, name, strings.Join(args, " "), err, complaints(stderr.String()))
	}
	return out, nil
}

// complaints are the lines that apt marks as errors, or all when it marks none.
func complaints(stderr string) string {
	var marked []string
	for line := range strings.Lines(stderr) {
		if rest, ok := strings.CutPrefix(line, "E: "); ok {
			marked = append(marked, strings.TrimSpace(rest))
		}
	}
	if len(marked) == 0 {
		return strings.TrimSpace(stderr)
	}
	return strings.Join(marked, "; ")
}
