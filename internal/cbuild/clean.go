package cbuild

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
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
// left; one that was opened within the hour stays. It returns how many bytes of files that freed.
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
			if err := os.RemoveAll(path); err != nil {
				return 0, err
			}
		}
	}
	after, err := Usage(ctx, cache)
	return before - after, err
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

// Usage counts the bytes of the files of builds in a cache.
func Usage(ctx context.Context, cache string) (int64, error) {
	var n int64
	for _, dir := range Folders {
		err := filepath.WalkDir(filepath.Join(cache, dir), func(_ string, e fs.DirEntry, err error) error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if errors.Is(err, fs.ErrNotExist) {
				return nil // somebody else works here
			}
			if err != nil || !e.Type().IsRegular() {
				return err
			}
			st, err := e.Info()
			if err == nil {
				n += st.Size()
			}
			return nil
		})
		if err != nil {
			return n, err
		}
	}
	return n, nil
}
