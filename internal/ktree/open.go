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
const layout = "2"

// Open prepares the source, once for each source, configuration and compiler. What is missing
// is told before anything else is done: a [MissingError], a [CompilerError], a
// [BuildrootError]. A configuration that is not one of this source is a [ConfigError].
//
// When ctx ends it, what it had begun is removed.
func Open(ctx context.Context, s Spec) (*Tree, error) {
	t, config, err := newTree(s)
	if err != nil {
		return nil, err
	}
	if err := t.check(ctx, config); err != nil {
		return nil, err
	}
	source, err := fingerprint(ctx, t.spec.Source)
	if err != nil {
		return nil, fmt.Errorf("source of the kernel: %w", err)
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%s\x00%q\x00%s\x00%s\x00%s\x00", layout, source, t.args, t.spec.Flags, t.compiler, t.spec.Buildroot)
	h.Write(config)
	t.id = fmt.Sprintf("%s-%.10x", strings.ReplaceAll(t.spec.Release, "/", "_"), h.Sum(nil))
	if t.dir, err = t.cache.Make(ctx, "ktree/"+t.id, func(dir string) error { return t.prepare(ctx, dir, config) }); err != nil {
		return nil, fmt.Errorf("source of %s: %w", t.spec.Release, err)
	}
	t.touch()
	return t, nil
}

// newTree fills in what a Spec leaves open, and reads the configuration.
func newTree(s Spec) (*Tree, []byte, error) {
	if s.Jobs <= 0 {
		s.Jobs = runtime.NumCPU()
	}
	s.Flags = cmp.Or(s.Flags, DefaultFlags)
	for _, path := range []*string{&s.Source, &s.Config, &s.Buildroot} {
		if *path == "" {
			continue
		}
		abs, err := filepath.Abs(*path)
		if err != nil {
			return nil, nil, err
		}
		*path = abs
	}
	cache, err := deb.NewCache(s.Cache)
	if err != nil {
		return nil, nil, err
	}
	config, err := os.ReadFile(s.Config)
	if err != nil {
		return nil, nil, fmt.Errorf("configuration: %w", err)
	}
	t := &Tree{spec: s, cache: cache}
	if t.args, err = identity(&s, config); err != nil {
		return nil, nil, err
	}
	t.spec.Release = cmp.Or(s.Release, releaseOf(s.Banner))
	return t, config, nil
}

// check looks for all that is needed, before anything is made.
func (t *Tree) check(ctx context.Context, config []byte) error {
	if !isConfig(config) {
		return fmt.Errorf("%s is no configuration of a kernel, which has lines such as CONFIG_X86=y", t.spec.Config)
	}
	if err := t.checkBanner(config); err != nil {
		return err
	}
	if err := t.checkFolder(config); err != nil {
		return err
	}
	if err := t.checkBuildroot(ctx); err != nil {
		return err
	}
	if err := t.checkTools(config); err != nil {
		return err
	}
	return t.checkCompiler(ctx, config)
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

// prepare fills the folder of a tree.
func (t *Tree) prepare(ctx context.Context, dir string, config []byte) error {
	count := t.spec.Progress.Begin("prepare the source", 3)
	if err := t.unpack(ctx, dir); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, "Kbuild")); err != nil {
		return notSource(t.spec.Source, err)
	}
	if err := t.checkSource(dir, config); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, stamp), nil, 0o644); err != nil {
		return err
	}
	count.Done()
	config = salted(config, t.spec.Release)
	if err := os.WriteFile(filepath.Join(dir, ".config"), config, 0o644); err != nil {
		return err
	}
	for _, target := range []string{"olddefconfig", "modules_prepare"} {
		if said, err := t.make(ctx, dir, "-j"+fmt.Sprint(t.spec.Jobs), target); err != nil {
			return makeError(target, said, err)
		}
		if target == "olddefconfig" {
			if err := checkConfig(dir, config); err != nil {
				return err
			}
		}
		count.Done()
	}
	return nil
}

// makeError says which target failed, and with which words.
func makeError(target string, said []byte, err error) error {
	if strings.Contains(string(said), "No space left on device") {
		return fmt.Errorf("make %s: no space left on the device of the cache", target)
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("make %s: %w", target, err)
	}
	return fmt.Errorf("make %s: %w: %s", target, err, strings.TrimSpace(string(said[max(0, len(said)-2000):])))
}
