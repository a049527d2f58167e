package deb

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/gosplice/gosplice/internal/child"
)

// Installed reports whether the packages are installed, in these versions, on the system
// with that root ("/" for this one), and whether something of it that can be read matches
// each pattern, as in [Cache.Tree].
func Installed(ctx context.Context, root string, patterns []string, pkgs ...Package) bool {
	for _, p := range pkgs {
		if v := InstalledVersion(ctx, root, p.Name); v == "" || v != p.Version {
			return false
		}
	}
	for _, pattern := range patterns {
		name, err := Locate(root, pattern)
		if err != nil {
			return false
		}
		f, err := os.Open(name)
		if err != nil {
			return false
		}
		f.Close()
	}
	return true
}

// Locate returns the first path below a folder that matches a pattern, as in [Cache.Tree].
func Locate(dir, pattern string) (string, error) {
	for p := range strings.SplitSeq(pattern, "|") {
		names, err := filepath.Glob(filepath.Join(dir, p))
		if err != nil {
			return "", fmt.Errorf("pattern %q: %w", p, err)
		}
		if len(names) > 0 {
			return names[0], nil
		}
	}
	return "", fmt.Errorf("%s in %s: %w", pattern, dir, fs.ErrNotExist)
}

// InstalledVersion returns the version of a package of a system; "" when it is not installed,
// or when there is no dpkg to ask.
func InstalledVersion(ctx context.Context, root, name string) string {
	cmd := exec.CommandContext(ctx, "dpkg-query", "--admindir="+filepath.Join(root, "var/lib/dpkg"), "-W", "-f", "${db:Status-Abbrev}${Version}", name)
	child.EndTogether(cmd)
	out, err := cmd.Output()
	version, ok := strings.CutPrefix(string(out), "ii ")
	if err != nil || !ok {
		return ""
	}
	return version
}
