package ktree

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/internal/deb"
)

// A workspace is a copy of the tree in which files of an overlay take the place of others. It
// belongs to one user at a time, and stays in the cache for the next one.
//
// Beside its folder lie files that say what is not as in the tree, so that who comes after a
// user that was killed puts it right: a list of files, and a mark that make was let loose.
// Commands that a killed user leaves behind have its lock until they end.
type workspace struct {
	tree *Tree
	dir  string
	lock *os.File
}

// workspace takes a copy that nobody uses, or makes one.
func (t *Tree) workspace(ctx context.Context) (*workspace, error) {
	dir, lock, err := t.claim("ktree-work/" + t.id)
	if err != nil {
		return nil, err
	}
	w := &workspace{tree: t, dir: dir, lock: lock}
	if err := w.prepare(ctx); err != nil {
		lock.Close()
		return nil, fmt.Errorf("copy of the source to compile in: %w", err)
	}
	return w, nil
}

// loose takes a copy for make, which writes what and where it likes. It can be discarded only.
func (t *Tree) loose(ctx context.Context) (*workspace, error) {
	w, err := t.workspace(ctx)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(w.mark(), nil, 0o644); err != nil {
		return nil, errors.Join(err, w.release())
	}
	return w, nil
}

// claim locks the first free one of the numbered places in a folder of the cache.
func (t *Tree) claim(folder string) (string, *os.File, error) {
	base := filepath.Join(t.cache.Dir(), filepath.FromSlash(folder))
	if err := os.MkdirAll(base, 0o755); err != nil {
		return "", nil, err
	}
	for i := 0; ; i++ {
		dir := filepath.Join(base, fmt.Sprint(i))
		lock, err := deb.LockFile(dir + ".lock")
		if lock != nil || err != nil {
			return dir, lock, err
		}
	}
}

// prepare makes the copy, or what it was when it was made.
func (w *workspace) prepare(ctx context.Context) error {
	for _, left := range []string{w.dir + ".gone", w.dir + ".tmp"} {
		if err := os.RemoveAll(left); err != nil {
			return err
		}
	}
	if _, err := os.Stat(w.mark()); err == nil {
		if err := w.remove(); err != nil {
			return err
		}
	}
	if _, err := os.Stat(w.dir); err == nil {
		if err := w.restore(); err == nil {
			return nil
		}
		// It is damaged, and of no use.
	}
	if err := w.remove(); err != nil {
		return err
	}
	tmp := w.dir + ".tmp"
	if err := w.tree.link(ctx, tmp); err != nil {
		return errors.Join(err, os.RemoveAll(tmp))
	}
	return os.Rename(tmp, w.dir)
}

// dirty is the file that lists what is not as in the tree.
func (w *workspace) dirty() string { return w.dir + ".dirty" }

// mark is the file that says that nobody knows what is not as in the tree.
func (w *workspace) mark() string { return w.dir + ".loose" }

// apply puts the files of an overlay in. What it is going to change is written down before.
func (w *workspace) apply(o Overlay) error {
	if len(o) == 0 {
		return nil
	}
	names := slices.Sorted(maps.Keys(o))
	b, err := json.Marshal(names)
	if err != nil {
		return err
	}
	if err := replaceFile(w.dirty(), w.dirty()+".tmp", b); err != nil {
		return err
	}
	root, err := os.OpenRoot(w.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, name := range names {
		if err := ignoreMissing(root.Remove(name)); err != nil && o[name] == nil {
			return err
		}
	}
	for _, name := range names {
		if o[name] == nil {
			continue
		}
		if err := w.put(root, name, o[name]); err != nil {
			return err
		}
	}
	return nil
}

// put makes a file that shares nothing with the tree.
func (w *workspace) put(root *os.Root, name string, text []byte) error {
	mode := fs.FileMode(0o644)
	if st, err := w.tree.Stat(name); err == nil && st.Mode().IsRegular() {
		mode = st.Mode().Perm() | 0o200
	} else if strings.HasPrefix(string(text[:min(len(text), 2)]), "#!") {
		mode = 0o755
	}
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

// restore takes the files of an overlay out.
func (w *workspace) restore() error {
	b, err := os.ReadFile(w.dirty())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var names []string
	if err := json.Unmarshal(b, &names); err != nil {
		return fmt.Errorf("%s: %w", w.dirty(), err)
	}
	root, err := os.OpenRoot(w.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(name, Elsewhere) }) {
		// Their Makefiles may have left more than was put in.
		if err := root.RemoveAll(path.Clean(Elsewhere)); err != nil {
			return err
		}
	}
	for _, name := range slices.Backward(names) {
		if err := ignoreMissing(root.Remove(name)); err != nil && !w.isFolder(name) {
			return err
		}
		w.prune(root, path.Dir(name))
	}
	began, err := w.tree.began()
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := w.back(root, name, began.UnixNano()); err != nil {
			return err
		}
	}
	return os.Remove(w.dirty())
}

// isFolder reports whether the tree has a folder of that name.
func (w *workspace) isFolder(name string) bool {
	st, err := w.tree.Stat(name)
	return err == nil && st.IsDir()
}

// prune removes folders that the tree does not have.
func (w *workspace) prune(root *os.Root, dir string) {
	for ; dir != "." && !w.isFolder(dir); dir = path.Dir(dir) {
		if root.Remove(dir) != nil {
			return
		}
	}
}

// back makes a file what it is in the tree.
func (w *workspace) back(root *os.Root, name string, since int64) error {
	st, err := w.tree.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist) || isNotFolder(err):
		return nil
	case err != nil:
		return err
	case st.IsDir():
		return root.MkdirAll(name, 0o755)
	}
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	from, to := filepath.Join(w.tree.dir, filepath.FromSlash(name)), filepath.Join(w.dir, filepath.FromSlash(name))
	return linkOrCopy(from, to, st, since)
}

// release gives the copy back as it was.
func (w *workspace) release() error {
	defer w.lock.Close()
	return w.restore()
}

// discard removes the copy: make was let loose in it.
func (w *workspace) discard() error {
	defer w.lock.Close()
	return w.remove()
}

// remove removes the copy, and what is said about it, so that no part of it is ever used.
func (w *workspace) remove() error {
	gone := w.dir + ".gone"
	if err := ignoreMissing(os.Rename(w.dir, gone)); err != nil {
		return err
	}
	return errors.Join(ignoreMissing(os.Remove(w.dirty())), ignoreMissing(os.Remove(w.mark())), os.RemoveAll(gone))
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) || isNotFolder(err) {
		return nil
	}
	return err
}
