package source

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// isMade reports whether a folder of a cache holds what is made of sources: everything in it
// can be made again.
func isMade(name string) bool {
	return name == "ktree" || strings.HasPrefix(name, "ktree-") || name == "objtool"
}

// Use is how much of a cache there is, in bytes.
type Use struct {
	Kept    int64 `json:"kept"`    // prepared sources and objects
	Removed int64 `json:"removed"` // of these, what is gone now
	Others  int64 `json:"others"`  // packages and the like, which are left alone
}

// Clean removes from a cache the prepared sources and objects that nobody has made or
// prepared for an age; 0 is all. What was fetched stays. A cache that is "" is that of
// [Options]. Nobody may be using what is removed.
func Clean(ctx context.Context, cache string, age time.Duration) (Use, error) {
	dir, err := cacheFolder(cache)
	if err != nil {
		return Use{}, err
	}
	var u Use
	all, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return u, nil
	}
	if err != nil {
		return u, err
	}
	seen := map[fileID]bool{} // names of one file count once
	for _, e := range all {
		path := filepath.Join(dir, e.Name())
		if !isMade(e.Name()) {
			n, err := size(ctx, path, seen)
			if err != nil {
				return u, err
			}
			u.Others += n
			continue
		}
		if err := u.clean(ctx, path, time.Now().Add(-age), seen); err != nil {
			return u, err
		}
	}
	return u, nil
}

// clean removes the parts of one folder that are older than a time: each is a prepared
// source, or what was made of one.
func (u *Use) clean(ctx context.Context, dir string, before time.Time, seen map[fileID]bool) error {
	parts, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range parts {
		path := filepath.Join(dir, e.Name())
		n, err := size(ctx, path, seen)
		if err != nil {
			return err
		}
		newest, err := newest(ctx, path)
		if err != nil {
			return err
		}
		if newest.After(before) {
			u.Kept += n
			continue
		}
		if err := os.RemoveAll(path); err != nil {
			return err
		}
		u.Removed += n
	}
	return nil
}

// newest is when a folder, or one of the folders in it, was last changed: something was put
// there.
func newest(ctx context.Context, path string) (time.Time, error) {
	var last time.Time
	err := walk(ctx, path, func(i fs.FileInfo) {
		if i.IsDir() && i.ModTime().After(last) {
			last = i.ModTime()
		}
	})
	if st, statErr := os.Lstat(path); err == nil && statErr == nil && !st.IsDir() {
		last = st.ModTime()
	}
	return last, err
}

// size is what the files of a folder take, but for those that were seen.
func size(ctx context.Context, path string, seen map[fileID]bool) (n int64, err error) {
	err = walk(ctx, path, func(i fs.FileInfo) {
		if id, ok := idOf(i); !ok || !seen[id] {
			seen[id] = true
			n += i.Size()
		}
	})
	return n, err
}

// walk goes through what a folder has. What is gone meanwhile is passed over.
func walk(ctx context.Context, path string, each func(fs.FileInfo)) error {
	return filepath.WalkDir(path, func(_ string, e fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if i, err := e.Info(); err == nil {
			each(i)
		}
		return nil
	})
}
