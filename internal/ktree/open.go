package ktree

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"

	"github.com/gosplice/gosplice/internal/deb"
)

// A Tree is the prepared source of one kernel. It is safe for concurrent use.
type Tree struct {
	spec     Spec
	dir, id  string
	cache    *deb.Cache
	args     []string // make's, about what the kernel is
	compiler string   // what it says of itself

	unitsLock sync.Mutex
	units     *Units
	graphLock sync.Mutex
	graph     *graph
}

// layout is part of the identity of trees. It changes with what prepare does, so that no tree
// is used that was prepared otherwise.
const layout = "1"

// Open prepares the source, once for each source, configuration and compiler.
func Open(ctx context.Context, s Spec) (*Tree, error) {
	if s.Jobs <= 0 {
		s.Jobs = runtime.NumCPU()
	}
	s.Flags = cmp.Or(s.Flags, DefaultFlags)
	cache, err := deb.NewCache(s.Cache)
	if err != nil {
		return nil, err
	}
	config, err := os.ReadFile(s.Config)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	t := &Tree{spec: s, cache: cache}
	if t.args, err = identity(&s, config); err != nil {
		return nil, err
	}
	if err := t.checkTools(); err != nil {
		return nil, err
	}
	if err := t.checkCompiler(ctx, config); err != nil {
		return nil, err
	}
	source, err := fingerprint(s.Source)
	if err != nil {
		return nil, fmt.Errorf("source of the kernel: %w", err)
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%s\x00%q\x00%s\x00%s\x00%s\x00", layout, source, t.args, s.Flags, t.compiler, s.Buildroot)
	h.Write(config)
	t.id = fmt.Sprintf("%s-%.10x", strings.ReplaceAll(s.Release, "/", "_"), h.Sum(nil))
	if t.dir, err = cache.Make(ctx, "ktree/"+t.id, func(dir string) error { return t.prepare(ctx, dir, config) }); err != nil {
		return nil, fmt.Errorf("source of %s: %w", s.Release, err)
	}
	return t, nil
}

// Dir returns the root of the tree. Nothing in it may be written to.
func (t *Tree) Dir() string { return t.dir }

// ID returns the name under which the tree is kept: it depends on all that it was made of.
func (t *Tree) ID() string { return t.id }

// Compiler returns what the compiler says of itself.
func (t *Tree) Compiler() string { return t.compiler }

// Stat says what a file of the tree is.
func (t *Tree) Stat(name string) (fs.FileInfo, error) {
	return os.Lstat(filepath.Join(t.dir, filepath.FromSlash(name)))
}

// fingerprint identifies a source: an archive by its file, a folder by its files.
func fingerprint(source string) (string, error) {
	st, err := os.Stat(source)
	if err != nil {
		return "", err
	}
	abs, err := filepath.Abs(source)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	if !st.IsDir() {
		fmt.Fprintf(h, "%s %d %d", filepath.Base(abs), st.Size(), st.ModTime().UnixNano())
		return fmt.Sprintf("%x", h.Sum(nil)), nil
	}
	fmt.Fprintln(h, abs)
	err = filepath.WalkDir(abs, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if skipped(d) {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		info, err := d.Info()
		if err == nil && !d.IsDir() {
			fmt.Fprintln(h, path, info.Size(), info.ModTime().UnixNano())
		}
		return err
	})
	return fmt.Sprintf("%x", h.Sum(nil)), err
}

// products are the ends of the names of what builds leave in a source.
var products = map[string]bool{".o": true, ".ko": true, ".a": true, ".cmd": true, ".mod": true, ".d": true}

// skipped reports whether something in a source is no part of it: what a build left, and
// what belongs to the version control.
func skipped(d fs.DirEntry) bool {
	name := d.Name()
	if d.IsDir() {
		return name == ".git" || name == ".tmp_versions"
	}
	return products[filepath.Ext(name)] || name == "vmlinux" || name == "System.map"
}

// prepare fills the folder of a tree.
func (t *Tree) prepare(ctx context.Context, dir string, config []byte) error {
	t.spec.Progress.Begin("unpack the source", 1)
	if err := t.unpack(ctx, dir); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, "Kbuild")); err != nil {
		return fmt.Errorf("%s is no source of a kernel: %w", t.spec.Source, err)
	}
	if err := os.WriteFile(filepath.Join(dir, stamp), nil, 0o644); err != nil {
		return err
	}
	// Packaged configurations lack the text that tells builds apart, which becomes a note
	// of the image.
	if !strings.Contains(string(config), "CONFIG_BUILD_SALT=") || strings.Contains(string(config), `CONFIG_BUILD_SALT=""`) {
		config = fmt.Appendf(config[:len(config):len(config)], "CONFIG_BUILD_SALT=%q\n", t.spec.Release)
	}
	if err := os.WriteFile(filepath.Join(dir, ".config"), config, 0o644); err != nil {
		return err
	}
	for _, target := range []string{"olddefconfig", "modules_prepare"} {
		t.spec.Progress.Begin("configure the source", 1)
		if said, err := t.make(ctx, dir, "-j"+fmt.Sprint(t.spec.Jobs), target); err != nil {
			return fmt.Errorf("make %s: %w: %s", target, err, said[max(0, len(said)-2000):])
		}
	}
	return nil
}

// unpack puts the source into a folder.
func (t *Tree) unpack(ctx context.Context, dir string) error {
	st, err := os.Stat(t.spec.Source)
	if err != nil {
		return err
	}
	if !st.IsDir() {
		_, err := t.output(ctx, dir, "tar", "--strip-components=1", "-xf", t.spec.Source)
		return err
	}
	return copySource(ctx, t.spec.Source, dir)
}

// copySource copies what is no product of a build.
func copySource(ctx context.Context, from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		rel, err := filepath.Rel(from, path)
		if err != nil || rel == "." {
			return err
		}
		dst := filepath.Join(to, rel)
		switch {
		case skipped(d) && d.IsDir():
			return filepath.SkipDir
		case skipped(d) || rel == ".config" || strings.HasPrefix(rel, "include/generated") || strings.HasPrefix(rel, "include/config"):
			return nil
		case d.IsDir():
			return os.MkdirAll(dst, 0o755)
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(target, dst)
		case d.Type().IsRegular():
			return copyFile(path, dst)
		}
		return nil
	})
}

// copyFile copies a file with its permissions and its time.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	st, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, st.Mode().Perm()|0o200)
	if err != nil {
		return err
	}
	_, err = out.ReadFrom(in) // by the file system, where it can
	return errors.Join(err, out.Close(), os.Chtimes(to, st.ModTime(), st.ModTime()))
}

// bannerForm is linux_banner: the release, who built it where, with what, and the version:
// a number, what kind of kernel, and the time, instead of which Debian has its own version.
var bannerForm = regexp.MustCompile(`^Linux version (\S+) \((\S+)@(\S+)\) \(.*\) #(\d+) (?:SMP )?(?:PREEMPT\S* )?(\S.*)$`)

// identity returns make's arguments that have a kernel say about itself what the one that
// runs says: its release, and who built it when and with what. Functions have some of this in
// them: a release of another length is another memcmp.
//
// They are given to every make: Makefile takes KERNELRELEASE from its command line before
// what it finds itself.
func identity(s *Spec, config []byte) ([]string, error) {
	m := bannerForm.FindStringSubmatch(strings.TrimSpace(s.Banner))
	if m == nil {
		return nil, fmt.Errorf("%q is not what a kernel says about itself", s.Banner)
	}
	if s.Release != "" && m[1] != s.Release {
		return nil, fmt.Errorf("the image is of the kernel %s, not of %s", m[1], s.Release)
	}
	args := []string{
		"KERNELRELEASE=" + m[1], "KBUILD_BUILD_USER=" + m[2], "KBUILD_BUILD_HOST=" + m[3], "KBUILD_BUILD_VERSION=" + m[4],
		"KBUILD_BUILD_VERSION_TIMESTAMP=" + m[5], // of Debian
	}
	if !strings.HasPrefix(m[5], "Debian ") {
		args = append(args, "KBUILD_BUILD_TIMESTAMP="+m[5])
	}
	args = append(args, s.Make...)
	cc := s.CC
	if c := compilerForm.FindSubmatch(config); cc == "" && c != nil {
		cc = string(c[2])
	}
	if cc != "" {
		args = append(args, "CC="+cc)
	}
	return args, nil
}

// compilerForm is the configuration's line about the compiler: how it was called, and what it
// said of itself.
var compilerForm = regexp.MustCompile(`(?m)^CONFIG_CC_VERSION_TEXT="((\S+)[^"\n]*)"$`)
