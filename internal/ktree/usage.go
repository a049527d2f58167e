package ktree

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/files"
)

// kinds are the folders of a cache that this package writes, with what is in them.
var kinds = []kind{
	{"ktree", "prepared sources"}, {"ktree-work", "copies of them to compile in"}, {"ktree-objects", "objects"},
	{"ktree-units", "lists of objects"}, {"ktree-includes", "who includes whom"}, {"ktree-effects", "effects of patches on the build"},
	{"ktree-modules", "sources of modules beside the kernel's"}, {"ktree-scratch", "what is being made"}, {Finished, "objects that objtool has finished"},
}

// Finished is the folder of a cache for who completes objects of trees by another tool: what it
// keeps there below the ID of a tree goes with that.
const Finished = "ktree-finished"

type kind struct{ name, what string }

// A Use is how much of the disk something in a cache takes.
type Use struct {
	Name  string // a folder of the cache: "ktree-objects"
	What  string // what is in it
	Bytes int64  // that would be free without it
	Files int
	Last  time.Time // when something in it was used last, as far as that is known
}

// Usage says what the things of this package take in a cache, each kind of them. Files that
// are in several of them, by hard links, are counted once.
func Usage(ctx context.Context, cache string) ([]Use, error) {
	var disk files.Counter
	var out []Use
	for _, k := range kinds {
		u := Use{Name: k.name, What: k.what}
		if err := u.add(ctx, filepath.Join(cache, k.name), &disk); err != nil {
			return nil, err
		}
		if u.Files > 0 {
			out = append(out, u)
		}
	}
	return out, nil
}

// Others says what else takes room in a cache: packages, and what was made of them. but are folders of
// somebody else that do not count.
func Others(ctx context.Context, cache string, but ...string) (Use, error) {
	u := Use{What: "packages and other things"}
	list, err := os.ReadDir(cache)
	if err != nil {
		return u, ignoreMissing(err)
	}
	var disk files.Counter
	for _, e := range list {
		if slices.Contains(but, e.Name()) || slices.ContainsFunc(kinds, func(k kind) bool { return k.name == e.Name() }) {
			continue
		}
		if err := u.add(ctx, filepath.Join(cache, e.Name()), &disk); err != nil {
			return u, err
		}
	}
	return u, nil
}

// add counts what is below a folder.
func (u *Use) add(ctx context.Context, dir string, c *files.Counter) error {
	bytes, n, err := c.Count(ctx, dir)
	u.Bytes, u.Files = u.Bytes+bytes, u.Files+n
	if t := lastUse(dir); t.After(u.Last) {
		u.Last = t
	}
	return err
}

// lastUse returns when something in a folder was used last: when a lock of it was taken, or
// something was added.
func lastUse(dir string) time.Time {
	var last time.Time
	list, _ := os.ReadDir(dir)
	for _, d := range list {
		if info, err := d.Info(); err == nil && info.ModTime().After(last) {
			last = info.ModTime()
		}
	}
	return last
}

// touch notes that the tree is used, for [Clean]. In the cache of somebody else that may not be
// allowed, and does not matter.
func (t *Tree) touch() {
	now := time.Now()
	_ = os.Chtimes(filepath.Join(t.cache.Dir(), "ktree", t.id+".lock"), now, now)
}

// Clean removes the trees that were not opened for some time, with all that was made of
// them, and returns how many bytes that freed. What is being compiled in stays; olderThan should
// be longer than any use of a tree.
func Clean(ctx context.Context, cache string, olderThan time.Duration) (int64, error) {
	before, err := Usage(ctx, cache)
	if err != nil {
		return 0, err
	}
	locks, err := filepath.Glob(filepath.Join(cache, "ktree", "*.lock"))
	if err != nil {
		return 0, err
	}
	for _, lock := range locks {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		st, err := os.Stat(lock)
		if err != nil || time.Since(st.ModTime()) < olderThan {
			continue
		}
		if err := removeTree(cache, strings.TrimSuffix(filepath.Base(lock), ".lock")); err != nil {
			return 0, err
		}
	}
	after, err := Usage(ctx, cache)
	return total(before) - total(after), err
}

func total(list []Use) int64 {
	var n int64
	for _, u := range list {
		n += u.Bytes
	}
	return n
}

// removeTree removes what there is of a tree, unless somebody uses it. The folder of the
// tree goes first, by another name: who opens the tree then makes it again.
func removeTree(cache, id string) error {
	dir := filepath.Join(cache, "ktree", id)
	unlock, ok, err := deb.TryLock(dir + ".lock")
	if !ok || err != nil {
		return err
	}
	defer unlock()
	free, err := lockAll(filepath.Join(cache, "ktree-work", id))
	if free == nil || err != nil {
		return err // it is used
	}
	defer free()
	gone := dir + ".gone"
	if err := errors.Join(os.RemoveAll(gone), os.RemoveAll(dir+".tmp")); err != nil {
		return err
	}
	if err := os.Rename(dir, gone); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	errs := []error{os.RemoveAll(gone)}
	for _, k := range kinds[1:] {
		found, err := filepath.Glob(filepath.Join(cache, k.name, "*"+id))
		errs = append(errs, err)
		for _, path := range found {
			errs = append(errs, os.RemoveAll(path))
		}
	}
	return errors.Join(errs...)
}

// lockAll takes all locks of the copies in a folder; it returns nil where one is taken.
func lockAll(dir string) (free func(), err error) {
	locks, err := filepath.Glob(filepath.Join(dir, "*.lock"))
	if err != nil {
		return nil, err
	}
	var held []func()
	free = func() {
		for _, f := range slices.Backward(held) {
			f()
		}
	}
	for _, lock := range locks {
		unlock, ok, err := deb.TryLock(lock)
		if !ok || err != nil {
			free()
			return nil, err
		}
		held = append(held, unlock)
	}
	return free, nil
}
