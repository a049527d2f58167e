package ktree

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/gosplice/gosplice/internal/child"
	"github.com/gosplice/gosplice/internal/progress"
)

// suiteForm is how releases of Debian are called.
var suiteForm = regexp.MustCompile(`^[a-z]+$`)

// Buildroot returns the folder that a name of one means: the folder itself, or the release of
// Debian of that name, such as "bookworm", with what a configuration takes to be built. That is
// made below a cache, once, which takes minutes.
func Buildroot(ctx context.Context, cache, name string, config []byte, tell progress.Func) (string, error) {
	if name == "" {
		return "", nil
	}
	c := newCompiler("", config)
	pkg := cmp.Or(c.pkg, "gcc")
	dir, err := Suite(ctx, cache, name, pkg, tell)
	if err != nil && ctx.Err() == nil && lacksPackage(err.Error(), pkg) {
		return "", &CompilerError{CC: c.program, Wanted: c.wanted, Package: c.pkg, Buildroot: "Debian " + name}
	}
	return dir, err
}

// Suite is [Buildroot] for a compiler that no configuration names: by its package.
func Suite(ctx context.Context, cache, name, pkg string, tell progress.Func) (string, error) {
	if st, err := os.Stat(name); err == nil && st.IsDir() || !suiteForm.MatchString(name) {
		return filepath.Abs(name)
	}
	packages := append(BuildPackages(), pkg)
	dir := filepath.Join(cache, "buildroot", fmt.Sprintf("%s-%s-%.4s", name, pkg, digest([]byte(strings.Join(packages, " ")))))
	tell.Begin("make a folder with Debian "+name, 1)
	if err := MakeBuildroot(ctx, dir, name, packages...); err != nil {
		return "", err
	}
	return dir, nil
}

// lacksPackage reports whether apt said that it knows no package of that name.
func lacksPackage(said, pkg string) bool {
	for _, form := range []string{"Unable to locate package ", "Package '", "no installation candidate"} {
		if i := strings.Index(said, form); i >= 0 && strings.Contains(said[max(0, i-len(pkg)-20):], pkg) {
			return true
		}
	}
	return false
}

// Inside is a script for a shell that runs a program in a buildroot, with the arguments that it
// is given: files are below the cache, and are named by absolute paths.
func Inside(buildroot, cache, program string) ([]byte, error) {
	if !strings.HasPrefix(program, cache+string(filepath.Separator)) {
		return nil, errors.New(program + " is not below the cache " + cache + ", which is all that the buildroot sees")
	}
	name, args := InBuildroot(buildroot, cache, cache, program, nil)
	return []byte("#!/bin/sh\nexec " + child.Quote(append([]string{name}, args...)...) + " \"$@\"\n"), nil
}
