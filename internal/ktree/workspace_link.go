package ktree

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// link copies the tree by hard links. What preparing it has made is copied, since make writes
// into such files.
func (t *Tree) link(ctx context.Context, to string) error {
	t.spec.Progress.Begin("copy the source", 1)
	began, err := t.began()
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(2 * t.spec.Jobs)
	err = filepath.WalkDir(t.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		dst := filepath.Join(to, path[len(t.dir):])
		if d.IsDir() {
			return os.MkdirAll(dst, 0o755)
		}
		g.Go(func() error {
			st, err := os.Lstat(path)
			if err != nil {
				return err
			}
			return linkOrCopy(path, dst, st, began.UnixNano())
		})
		return nil
	})
	return errors.Join(err, g.Wait())
}

// linkOrCopy makes a file that there is not yet a link to one of the tree, or a copy of it
// where that was made since a time, or can't be linked.
func linkOrCopy(from, to string, st fs.FileInfo, since int64) error {
	if st.Mode()&fs.ModeSymlink != 0 {
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	}
	if st.ModTime().UnixNano() < since && os.Link(from, to) == nil {
		return nil
	}
	return copyFile(from, to)
}

// stamp is the file that is made when the source is unpacked, and nothing else yet.
const stamp = ".gosplice-unpacked"

// began is when all of the source was there: what is younger was made by preparing it.
func (t *Tree) began() (time.Time, error) {
	st, err := os.Stat(filepath.Join(t.dir, stamp))
	if err != nil {
		return time.Time{}, err
	}
	return st.ModTime(), nil
}

// replaceFile writes a file so that others see all of it or nothing, by way of a temporary
// file of a name that nobody else uses at the time.
func replaceFile(name, tmp string, text []byte) error {
	if err := os.WriteFile(tmp, text, 0o644); err != nil {
		return errors.Join(err, ignoreMissing(os.Remove(tmp)))
	}
	return os.Rename(tmp, name)
}

// isNotFolder reports whether a part of a path is a file.
func isNotFolder(err error) bool { return errors.Is(err, syscall.ENOTDIR) }
