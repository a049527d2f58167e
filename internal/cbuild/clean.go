package cbuild

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/files"
)

// scratchFolder is the part of a cache with copies to compile in.
const scratchFolder = "cbuild-scratch"

// Folders are the parts of a cache that this package writes.
var Folders = []string{folder, scratchFolder}

// inUse is how long after it was opened a build may be in use.
const inUse = time.Hour

// touch notes that a build is used, for [Clean]. In the cache of somebody else that may not be
// allowed, and does not matter.
func touch(dir string) {
	now := time.Now()
	_ = os.Chtimes(filepath.Join(dir, index), now, now)
}

// Clean removes builds that were not opened for some time, and what interrupted processes have
// left; one that was opened within the hour stays, and so does one that is being made, however long
// that takes. It returns how many bytes of the disk that freed.
func Clean(ctx context.Context, cache string, age time.Duration) (int64, error) {
	before, err := Usage(ctx, cache)
	if err != nil {
		return 0, err
	}
	for _, dir := range Folders {
		list, err := os.ReadDir(filepath.Join(cache, dir))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
		for _, e := range list {
			path := filepath.Join(cache, dir, e.Name())
			if ctx.Err() != nil {
				return 0, context.Cause(ctx)
			}
			if !e.IsDir() || time.Since(lastUse(path)) < max(age, inUse) {
				continue
			}
			if err := remove(path); err != nil {
				return 0, err
			}
		}
	}
	after, err := Usage(ctx, cache)
	return before - after, err
}

// remove removes a build, or a part of one, unless somebody makes it: that has the lock.
func remove(path string) error {
	if filepath.Base(filepath.Dir(path)) == folder {
		unlock, ok, err := deb.TryLock(strings.TrimSuffix(path, deb.Unfinished) + deb.LockEnd)
		if !ok || err != nil {
			return err
		}
		defer unlock()
	}
	return os.RemoveAll(path)
}

// lastUse is when a build was opened, or when a folder was made.
func lastUse(dir string) time.Time {
	for _, name := range []string{filepath.Join(dir, index), dir} {
		if st, err := os.Stat(name); err == nil {
			return st.ModTime()
		}
	}
	return time.Now() // somebody else works here
}

// Usage is how many bytes of the disk builds in a cache take.
func Usage(ctx context.Context, cache string) (int64, error) {
	var disk files.Counter
	var all int64
	for _, dir := range Folders {
		n, _, err := disk.Count(ctx, filepath.Join(cache, dir))
		if err != nil {
			return all, err
		}
		all += n
	}
	return all, nil
}
