package deb

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// CacheEnv is the environment variable that names the cache folder, for those
// who do not want it in the user's cache folder.
const CacheEnv = "GOSPLICE_CACHE"

// Cache is a folder of downloaded and unpacked packages. Any number of
// processes may use one at the same time. Nothing in it is ever removed but
// what an interrupted process left behind.
type Cache struct {
	dir   string
	lists *lists // nil: apt's own

	mu    sync.Mutex
	sizes map[Package]int64 // of packages that apt was asked for
}

// OpenCache returns the cache in the folder that [CacheEnv] names, or else in
// "gosplice" below [os.UserCacheDir], and makes the folder if need be.
func OpenCache() (*Cache, error) {
	dir, err := CacheFolder()
	if err != nil {
		return nil, err
	}
	return NewCache(dir)
}

// Folder returns the folder of a cache by its name, which is absolute then; "" is [CacheFolder].
func Folder(name string) (string, error) {
	if name == "" {
		var err error
		if name, err = CacheFolder(); err != nil {
			return "", err
		}
	}
	return filepath.Abs(name)
}

// CacheFolder returns the folder of [OpenCache], which may not exist.
func CacheFolder() (string, error) {
	if dir := os.Getenv(CacheEnv); dir != "" {
		return dir, nil
	}
	user, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache folder, and %s is not set: %w", CacheEnv, err)
	}
	return filepath.Join(user, "gosplice"), nil
}

// NewCache returns the cache in a folder, which it makes if need be.
func NewCache(dir string) (*Cache, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	return &Cache{dir: dir, sizes: map[Package]int64{}}, nil
}

// Dir returns the absolute path of the cache's folder.
func (c *Cache) Dir() string { return c.dir }

// Tree returns a folder that holds the chosen paths of the packages, unpacked
// over one another. A pattern is a path below the root in the syntax of
// [path.Match], without a leading slash; what lies below a folder that matches
// is chosen too. A pattern that chooses nothing is an error; one may be several with "|"
// between them, of which one has to choose something.
//
// The folder is shared and must not be written to. The packages' files are kept,
// so that another choice of paths needs no network.
func (c *Cache) Tree(ctx context.Context, patterns []string, pkgs ...Package) (string, error) {
	for _, p := range pkgs {
		if p.Version == "" {
			return "", fmt.Errorf("package %s: a cache needs an exact version", p.Name)
		}
	}
	return c.Make(ctx, treeName(patterns, pkgs), func(dir string) error {
		s := newSelection(patterns)
		for _, p := range pkgs {
			file, err := c.file(ctx, p)
			if err != nil {
				return err
			}
			Progress(ctx, "unpack %s", p)
			if err := unpack(ctx, dir, file, s); err != nil {
				return fmt.Errorf("unpack %s: %w", p, err)
			}
		}
		return s.missing(pkgs)
	})
}

// treeName names a tree after the first package, for those who look into the
// cache, and after everything that decides about the content.
func treeName(patterns []string, pkgs []Package) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q", patterns, pkgs)
	name := "empty"
	if len(pkgs) > 0 {
		name = fileName(pkgs[0])
	}
	return fmt.Sprintf("tree/%s-%.12x", name, h.Sum(nil))
}

// fileName has no character that means something in a path. apt, too, writes
// the colon of an epoch in this way.
func fileName(p Package) string {
	return strings.NewReplacer("%", "%25", "/", "%2f", ":", "%3a").Replace(p.Name + "_" + p.Version)
}

// fromFileName undoes what fileName writes otherwise.
func fromFileName(name string) string {
	return strings.NewReplacer("%25", "%", "%2f", "/", "%3a", ":").Replace(name)
}

// file returns the path of the downloaded package.
func (c *Cache) file(ctx context.Context, p Package) (string, error) {
	dir, err := c.Make(ctx, "deb/"+fileName(p), func(dir string) error {
		Progress(ctx, "fetch %s%s", p, c.size(ctx, p))
		file, err := c.download(ctx, dir, p)
		if err != nil {
			return err
		}
		return os.Rename(file, filepath.Join(dir, "package.deb"))
	})
	return filepath.Join(dir, "package.deb"), err
}

// kept reports whether the package's file is there.
func (c *Cache) kept(p Package) bool {
	_, err := os.Stat(filepath.Join(c.dir, "deb", fileName(p), "package.deb"))
	return err == nil
}

// Present returns how much of the package's file is there, in bytes: all of it, a part
// while it is fetched, or nothing.
func (c *Cache) Present(p Package) int64 {
	dir := filepath.Join(c.dir, "deb", fileName(p))
	for _, pattern := range []string{dir + "/*.deb", dir + ".tmp/*.deb"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			continue
		}
		if st, err := os.Stat(names[0]); err == nil {
			return st.Size()
		}
	}
	return 0
}

// The ends of the names that stand beside a folder which [Cache.Make] makes: of its lock, and of what
// is not whole yet.
const (
	LockEnd    = ".lock"
	Unfinished = ".tmp"
)

// Make returns the folder of that name, a slash-separated path inside the
// cache. When there is none, fill is called with an empty folder that takes the
// name once fill returns nil. Of several processes that ask at the same time one
// fills and the others wait.
func (c *Cache) Make(ctx context.Context, name string, fill func(dir string) error) (string, error) {
	if !filepath.IsLocal(name) {
		return "", fmt.Errorf("cache: bad name %q", name)
	}
	dir := filepath.Join(c.dir, name)
	if ok, err := isDir(dir); ok || err != nil {
		return dir, err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", err
	}
	unlock, err := Lock(ctx, dir+LockEnd)
	if err != nil {
		return "", err
	}
	defer unlock()
	if ok, err := isDir(dir); ok || err != nil {
		return dir, err // somebody else was faster
	}
	tmp := dir + Unfinished
	if err := os.RemoveAll(tmp); err != nil { // of a process that was killed: we hold the lock
		return "", err
	}
	if err := os.Mkdir(tmp, 0o755); err != nil {
		return "", err
	}
	if err := fill(tmp); err != nil {
		return "", errors.Join(err, os.RemoveAll(tmp))
	}
	return dir, os.Rename(tmp, dir)
}

func isDir(name string) (bool, error) {
	st, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err == nil && !st.IsDir():
		return false, fmt.Errorf("cache: %s is not a folder", name)
	}
	return err == nil, err
}

// TryLock is [Lock] without the waiting: ok is false where somebody else has the lock.
func TryLock(name string) (unlock func(), ok bool, err error) {
	f, err := LockFile(name)
	if f == nil || err != nil {
		return nil, false, err
	}
	return func() { f.Close() }, true, nil
}

// LockFile is [TryLock] for who gives the lock on to commands: it is held until this process
// and all that have the file have closed it. The file is nil where somebody else has the lock.
func LockFile(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if ok, err := tryLock(f); !ok || err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Lock takes an exclusive lock on a file, which it makes if need be, and waits
// for as long as the context allows. The system drops the lock of a process that
// dies. The file stays: removing it would let two processes lock two files of
// the same name.
func Lock(ctx context.Context, name string) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	for {
		locked, err := tryLock(f)
		if locked {
			return func() { f.Close() }, nil
		}
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", name, err)
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", name, context.Cause(ctx))
		case <-time.After(50 * time.Millisecond):
		}
	}
}
