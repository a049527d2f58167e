package deb

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/internal/child"
)

// A Record is what apt says about a binary package in one version.
type Record struct {
	Package
	Source  Package  // that it is built from
	Depends []string // names of packages, the first of alternatives
}

// Record asks apt about a package. One without a version is apt's candidate. The error is an
// [ErrUnavailable].
func (c *Cache) Record(ctx context.Context, p Package) (*Record, error) {
	out, err := c.aptCache(ctx, "show", "--no-all-versions", p.String())
	if err != nil {
		return nil, err
	}
	r, ok := parseRecord(string(out))
	if !ok {
		return nil, fmt.Errorf("%w: %s", ErrUnavailable, p)
	}
	return r, nil
}

// versionForm is what names a version, or asks for one, behind the name of a package.
var versionForm = regexp.MustCompile(`\s*\([^)]*\)`)

// parseRecord reads the first record of a package that apt-cache show prints.
func parseRecord(text string) (*Record, bool) {
	block, _, _ := strings.Cut(text, "\n\n")
	f := parseFields(block)
	name, version, _ := strings.Cut(f["Source"], " (") // where it is called otherwise, or has another version
	r := &Record{Package: Package{f["Package"], f["Version"]}, Depends: parseDepends(f["Depends"])}
	r.Source = Package{cmp.Or(name, r.Name), cmp.Or(strings.TrimSuffix(version, ")"), r.Version)}
	return r, r.Name != "" && r.Version != ""
}

// parseDepends are the names of a list of relations.
func parseDepends(value string) []string {
	var out []string
	for one := range strings.SplitSeq(versionForm.ReplaceAllString(value, ""), ",") {
		name, _, _ := strings.Cut(one, "|")
		name, _, _ = strings.Cut(strings.TrimSpace(name), ":") // of an architecture
		if name != "" {
			out = append(out, name)
		}
	}
	return out
}

// ErrNoSource is what an error is about a source package that is not served in that version.
var ErrNoSource = errors.New("the source package is not served")

// Source returns a folder with a source package, unpacked, with the patches of the distribution
// applied; binary names the binary packages of it. The cache has to have lists of source packages. The
// folder is shared and must not be written to.
func (c *Cache) Source(ctx context.Context, p Package) (dir string, binary []string, err error) {
	home, err := c.Make(ctx, "source/"+fileName(p), func(to string) error {
		Progress(ctx, "fetch the source of %s", p)
		args := []string{"-q", "-o", "Acquire::Retries=3", "source", "--only-source", "--download-only", p.String()}
		if _, err := c.apt(ctx, to, "apt-get", args...); err != nil {
			return c.noSource(ctx, p, err)
		}
		dsc, err := one(to, "*.dsc")
		if err != nil {
			return err
		}
		// apt has checked it against the hash in its signed lists.
		cmd := exec.CommandContext(ctx, "dpkg-source", "--no-check", "-x", filepath.Base(dsc), "tree")
		child.EndTogether(cmd)
		cmd.Dir = to
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("dpkg-source -x %s: %w: %s", filepath.Base(dsc), err, bytes.TrimSpace(out))
		}
		return nil
	})
	if err != nil {
		return "", nil, err
	}
	dsc, err := one(home, "*.dsc")
	if err != nil {
		return "", nil, err
	}
	text, err := os.ReadFile(dsc)
	return filepath.Join(home, "tree"), parseBinary(string(text)), err
}

// noSource says which versions there are.
func (c *Cache) noSource(ctx context.Context, p Package, err error) error {
	if ctx.Err() != nil || !errors.Is(err, ErrUnavailable) {
		return err
	}
	out, serr := c.aptCache(ctx, "showsrc", "--only-source", p.Name)
	if serr != nil {
		return err
	}
	var versions []string
	for line := range strings.Lines(string(out)) {
		if v, ok := strings.CutPrefix(line, "Version: "); ok {
			versions = append(versions, strings.TrimSpace(v))
		}
	}
	slices.SortFunc(versions, Compare)
	return notServed(p, slices.Compact(versions), err)
}

// notServed tells, of the versions that lists name, whether one is not among them, or is and the archive has its files no more, as
// archives keep only the last of security updates.
func notServed(p Package, versions []string, err error) error {
	n := slices.Index(versions, p.Version)
	switch {
	case len(versions) == 0:
		return err
	case n < 0:
		return fmt.Errorf("%w: %s (there are %s)", ErrNoSource, p, strings.Join(versions, ", "))
	case !strings.Contains(err.Error(), "404"):
		return err
	}
	others := slices.Delete(versions, n, n+1)
	there := "no other version"
	if len(others) > 0 {
		there = strings.Join(others, ", ")
	}
	return fmt.Errorf("%w: %s: apt's lists name it, and the archive has its files no more (the lists have %s; what it changes may be given as patches)", ErrNoSource, p, there)
}

// one is the only file of a form.
func one(dir, pattern string) (string, error) {
	list, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(list) != 1 {
		return "", fmt.Errorf("%d files %s in %s", len(list), pattern, dir)
	}
	return list[0], nil
}

// parseBinary are the binary packages of a source package, of its field Binary, which may be
// folded.
func parseBinary(dsc string) []string {
	var value strings.Builder
	in := false
	for line := range strings.Lines(dsc) {
		if rest, ok := strings.CutPrefix(line, "Binary:"); ok {
			in = true
			value.WriteString(rest)
			continue
		}
		in = in && strings.HasPrefix(line, " ")
		if in {
			value.WriteString(line)
		}
	}
	return parseDepends(strings.ReplaceAll(value.String(), "\n", " "))
}

// InstalledFiles lists the regular files of an installed package of this system that are ELF files.
func InstalledFiles(ctx context.Context, name string) ([]string, error) {
	cmd := exec.CommandContext(ctx, "dpkg-query", "-L", name)
	child.EndTogether(cmd)
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("dpkg-query -L %s: %w", name, err)
	}
	var list []string
	for path := range strings.Lines(string(out)) {
		path = strings.TrimRight(path, "\n")
		if isELF(path) {
			list = append(list, path)
		}
	}
	return list, nil
}

// Files lists the ELF files of packages, which are fetched and unpacked.
func (c *Cache) Files(ctx context.Context, pkgs ...Package) ([]string, error) {
	var list []string
	for _, p := range pkgs {
		dir, err := c.Tree(ctx, []string{"*"}, p)
		if err != nil {
			return nil, err
		}
		err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err == nil && e.Type().IsRegular() && isELF(path) {
				list = append(list, path)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// isELF reports whether a path is a regular file that begins as ELF files do, and is a program or a
// library.
func isELF(path string) bool {
	st, err := os.Lstat(path)
	if err != nil || !st.Mode().IsRegular() {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, 18)
	n, _ := f.Read(head)
	return n == len(head) && string(head[:4]) == "\x7fELF" && (head[16] == 2 || head[16] == 3) // ET_EXEC, ET_DYN
}

// Unmet lists what a source package needs to be built, and this system lacks: relations as
// Debian has them. Those for tests alone are among them where these are asked for.
func Unmet(ctx context.Context, dir string, tests bool) ([]string, error) {
	cmd := exec.CommandContext(ctx, "dpkg-checkbuilddeps")
	if !tests {
		cmd.Args = append(cmd.Args, "-P", "nocheck")
	}
	child.EndTogether(cmd)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	var status *exec.ExitError
	if err == nil || ctx.Err() != nil || !errors.As(err, &status) {
		return nil, err
	}
	_, list, ok := strings.Cut(string(out), "nmet build dependencies: ")
	if !ok {
		return nil, fmt.Errorf("dpkg-checkbuilddeps: %w: %s", err, bytes.TrimSpace(out))
	}
	list, _, _ = strings.Cut(list, "\n")
	return splitRelations(list), nil
}

var relation = regexp.MustCompile(`\S+(\s+\([^)]*\))?(\s+\|\s+\S+(\s+\([^)]*\))?)*`)

// splitRelations cuts relations that stand behind each other with a space between them.
func splitRelations(list string) []string { return relation.FindAllString(list, -1) }

// Release returns the name of the release of Debian that this system is, such as "bookworm"; ""
// for another system.
func Release() string {
	fields, err := OSRelease("/")
	if err != nil || fields["ID"] != "debian" {
		return ""
	}
	return fields["VERSION_CODENAME"]
}

// OSRelease reads what a system says of itself (os-release(5)), below the folder that is its root: nil
// where it says nothing.
func OSRelease(root string) (map[string]string, error) {
	text, err := os.ReadFile(filepath.Join(root, "etc/os-release"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	fields := map[string]string{}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		fields[key] = strings.Trim(value, `"'`)
	}
	return fields, nil
}
