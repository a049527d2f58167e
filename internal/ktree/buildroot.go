package ktree

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/internal/child"
	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/need"
)

// A BuildrootError tells that commands can't run in a folder with a distribution.
type BuildrootError struct {
	Dir  string
	Said string // by what was tried
	Err  error
}

// Error says what to do.
func (e *BuildrootError) Error() string {
	text := fmt.Sprintf("buildroot %s: commands can't run in it: %v", e.Dir, e.Err)
	if e.Said != "" {
		text += ": " + e.Said
	}
	return text + " (it takes root, or namespaces of users: sysctl kernel.unprivileged_userns_clone, and the folder has to belong to you; mmdebstrap makes one)"
}

// Unwrap returns Err.
func (e *BuildrootError) Unwrap() error { return e.Err }

// checkBuildroot runs a command in the buildroot.
func (t *Tree) checkBuildroot(ctx context.Context) error {
	root := t.spec.Buildroot
	if root == "" {
		return nil
	}
	if st, err := os.Stat(filepath.Join(root, "bin/sh")); err != nil || st.IsDir() {
		return &BuildrootError{Dir: root, Err: errors.Join(errors.New("it has no bin/sh"), err)}
	}
	if lost, from := need.Missing("unshare", "mount", "chroot"); len(lost) > 0 {
		return &MissingError{What: lost, Packages: from}
	}
	said, err := t.command(ctx, t.cache.Dir(), "true").CombinedOutput()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return &BuildrootError{Dir: root, Said: strings.TrimSpace(string(said)), Err: err}
	}
	return nil
}

// buildrootScript runs a command in another distribution, in the same folder of the cache. The
// mounts belong to a namespace of its own: nothing outside sees them, and they end with it.
const buildrootScript = `set -e; root=$1 cache=$2 dir=$3; shift 3
mkdir -p "$root$cache" "$root/proc" "$root/dev"
mount --rbind "$cache" "$root$cache"
mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"
exec chroot "$root" /bin/sh -c 'cd "$1"; shift; exec "$@"' sh "$dir" "$@"`

// InBuildroot makes a command that runs in another distribution, in a folder below the cache.
func InBuildroot(root, cache, dir, name string, args []string) (string, []string) {
	words := []string{"--mount", "--propagation", "private"}
	if os.Geteuid() != 0 {
		words = append(words, "--user", "--map-root-user")
	}
	words = append(words, "sh", "-c", buildrootScript, "sh", root, cache, dir, name)
	return "unshare", append(words, args...)
}

// BuildPackages are the packages of Debian that a build of a kernel takes beside its
// compiler.
func BuildPackages() []string {
	out := []string{"xz-utils"}
	for _, n := range needs {
		out = append(out, n.pkg)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// MakeBuildroot makes a folder with a release of Debian, such as "bullseye", and packages, such
// as "gcc-10" and [BuildPackages]. It is fetched by mmdebstrap from where apt of this system
// fetches packages from. A folder that is there is left as it is.
func MakeBuildroot(ctx context.Context, dir, suite string, packages ...string) error {
	if lost, from := need.Missing("mmdebstrap"); len(lost) > 0 {
		return &MissingError{What: lost, Packages: from}
	}
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	archive, err := mirror("/")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	unlock, err := deb.Lock(ctx, dir+".lock")
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := os.Stat(dir); err == nil {
		return nil // somebody else was faster
	}
	tmp := dir + ".tmp"
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	words := mmdebstrap(os.Geteuid() == 0, suite, tmp, archive, packages)
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	child.EndTogether(cmd)
	said, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("make a folder with Debian %s: %w: %s", suite, err, said[max(0, len(said)-1000):]), os.RemoveAll(tmp))
	}
	return os.Rename(tmp, dir)
}

// mmdebstrap is the command that fills a folder. Root mounts proc, sys and more of this system
// there: in a namespace of its own they end with it however it ends, and what removes the
// folder then finds nothing of this system in it.
func mmdebstrap(root bool, suite, dir, archive string, packages []string) []string {
	words, mode := []string{}, "unshare"
	if root {
		words, mode = []string{"unshare", "--mount", "--propagation", "private"}, "root"
	}
	return append(words, "mmdebstrap", "--variant=apt", "--mode="+mode, "--include="+strings.Join(packages, ","), suite, dir, archive)
}

// mirror returns the URL of the archive from which apt of a system fetches its packages
// (sources.list(5), both forms): the first that is not one of security updates.
func mirror(root string) (string, error) {
	var names []string
	for _, pattern := range []string{"etc/apt/sources.list", "etc/apt/sources.list.d/*.list", "etc/apt/sources.list.d/*.sources"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return "", err
		}
		names = append(names, found...)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return "", err
		}
		for _, url := range mirrors(string(text), strings.HasSuffix(name, ".sources")) {
			if !strings.Contains(url, "security") {
				return url, nil
			}
		}
	}
	return "", errors.New("apt of this system names no archive of Debian (/etc/apt/sources.list)")
}

// mirrors lists the URLs in a list of sources, of the newer form with fields or of that with
// one source a line.
func mirrors(text string, fields bool) []string {
	var out []string
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		switch {
		case len(words) < 2 || strings.HasPrefix(words[0], "#"):
			continue
		case fields && !strings.EqualFold(words[0], "URIs:"), !fields && words[0] != "deb":
			continue
		}
		for _, w := range words[1:] {
			if strings.HasPrefix(w, "http://") || strings.HasPrefix(w, "https://") || strings.HasPrefix(w, "file:/") {
				out = append(out, w)
			}
		}
	}
	return out
}
