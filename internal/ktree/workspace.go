package ktree

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gosplice/gosplice/internal/deb"
)

// A workspace is a copy of the tree in which files of an overlay take the place of others. It
// belongs to one user at a time, and stays in the cache for the next one.
type workspace struct {
	tree   *Tree
	dir    string
	unlock func()
}

// workspace takes a copy that nobody uses, or makes one.
func (t *Tree) workspace(ctx context.Context) (*workspace, error) {
	base := filepath.Join(t.cache.Dir(), "ktree-work", t.id)
	if err := os.MkdirAll(base, 0o755); err != nil {
		return nil, err
	}
	for i := 0; ; i++ {
		dir := filepath.Join(base, fmt.Sprint(i))
		unlock, ok, err := deb.TryLock(dir + ".lock")
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		w := &workspace{tree: t, dir: dir, unlock: unlock}
		if err := w.prepare(ctx); err != nil {
			unlock()
			return nil, err
		}
		return w, nil
	}
}

// prepare makes the copy, or what it was when it was made.
func (w *workspace) prepare(ctx context.Context) error {
	if _, err := os.Stat(w.dir); err == nil {
		return w.restore()
	}
	tmp := w.dir + ".tmp"
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	if err := w.tree.link(ctx, tmp); err != nil {
		return errors.Join(err, os.RemoveAll(tmp))
	}
	return os.Rename(tmp, w.dir)
}

// dirty is the file that lists what is not as in the tree.
func (w *workspace) dirty() string { return w.dir + ".dirty" }

// apply puts the files of an overlay in. What it is going to change is written down before.
func (w *workspace) apply(o Overlay) error {
	if len(o) == 0 {
		return nil
	}
	var names []string
	for name := range o {
		if !filepath.IsLocal(filepath.FromSlash(name)) {
			return fmt.Errorf("%q is no file of the tree", name)
		}
		names = append(names, name)
	}
	b, err := json.Marshal(names)
	if err != nil {
		return err
	}
	if err := os.WriteFile(w.dirty(), b, 0o644); err != nil {
		return err
	}
	for name, text := range o {
		path := filepath.Join(w.dir, filepath.FromSlash(name))
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if text == nil {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if st, err := w.tree.Stat(name); err == nil {
			mode = st.Mode().Perm()
		} else if strings.HasPrefix(string(text[:min(len(text), 2)]), "#!") {
			mode = 0o755
		}
		if err := os.WriteFile(path, text, mode); err != nil {
			return err
		}
	}
	return nil
}

// restore takes the files of an overlay out.
func (w *workspace) restore() error {
	b, err := os.ReadFile(w.dirty())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var names []string
	if err == nil {
		err = json.Unmarshal(b, &names)
	}
	if err != nil { // it was being written, or is damaged: the copy is of no use
		return errors.Join(os.RemoveAll(w.dir), os.Remove(w.dirty()), w.prepare(context.Background()))
	}
	for _, name := range names {
		path := filepath.Join(w.dir, filepath.FromSlash(name))
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		from := filepath.Join(w.tree.dir, filepath.FromSlash(name))
		if err := os.Link(from, path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return os.Remove(w.dirty())
}

// release gives the copy back as it was.
func (w *workspace) release() error {
	defer w.unlock()
	return w.restore()
}

// discard removes the copy: make was let loose in it.
func (w *workspace) discard() error {
	defer w.unlock()
	return errors.Join(os.RemoveAll(w.dir), ignoreMissing(os.Remove(w.dirty())))
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// link copies the tree by hard links. What preparing it has made is copied, since make writes
// into such files.
func (t *Tree) link(ctx context.Context, to string) error {
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
		switch {
		case d.IsDir():
			return os.MkdirAll(dst, 0o755)
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(target, dst)
		}
		g.Go(func() error { return linkOrCopy(path, dst, began) })
		return nil
	})
	return errors.Join(err, g.Wait())
}

// linkOrCopy copies a file that was changed since a time, or can't be linked.
func linkOrCopy(from, to string, since time.Time) error {
	st, err := os.Lstat(from)
	if err != nil {
		return err
	}
	if st.ModTime().Before(since) {
		if os.Link(from, to) == nil {
			return nil
		}
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
