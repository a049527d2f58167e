package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Bounds of what is read, in bytes.
const (
	maxUpdate    = 64 << 20
	maxSignature = 64 << 10
	maxJSON      = 4 << 20
	maxNames     = 64 << 10 // in a folder, not bytes
)

const (
	folderMode = 0o700
	fileMode   = 0o600
	others     = 0o022 // the bits by which others may write
)

// folder is the disk of a store that is there.
type folder struct{ root *os.Root }

// openFolder opens a folder that nobody else may write to, nor to those above it.
func openFolder(dir string) (*folder, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if st, err := os.Lstat(dir); err != nil {
		return nil, err
	} else if !st.IsDir() {
		return nil, refuse(CodeUnsafe, dir, "it is no folder, but %s", kind(st.Mode()))
	}
	real, err := filepath.EvalSymlinks(dir) // of those above it
	if err != nil {
		return nil, err
	}
	for at, last := real, false; !last; at = filepath.Dir(at) {
		last = at == filepath.Dir(at)
		st, err := os.Lstat(at)
		if err != nil {
			return nil, err
		}
		sticky := at != real && st.Mode()&os.ModeSticky != 0
		if err := trusted(at, st, sticky); err != nil {
			return nil, err
		}
	}
	root, err := os.OpenRoot(real)
	if err != nil {
		return nil, err
	}
	return &folder{root}, nil
}

// trusted refuses what others than root and who asks own, or may write to. In a sticky folder
// they may not touch what is not theirs.
func trusted(name string, st fs.FileInfo, sticky bool) error {
	uid, links := owner(st)
	switch {
	case uid != 0 && uid != os.Geteuid():
		return refuse(CodeUnsafe, name, "it belongs to user %d", uid)
	case st.Mode()&others != 0 && !sticky:
		return refuse(CodeUnsafe, name, "others may write to it (mode %v)", st.Mode())
	case !st.IsDir() && links != 1:
		return refuse(CodeUnsafe, name, "it has %d names", links)
	}
	return nil
}

// kind says what something is that is not what it should be.
func kind(m fs.FileMode) string {
	switch {
	case m&fs.ModeSymlink != 0:
		return "a link"
	case m.IsDir():
		return "a folder"
	case m.IsRegular():
		return "a file"
	}
	return "a device, a pipe or a socket"
}

func (f *folder) mkdir(name string) error {
	err := f.root.Mkdir(name, folderMode)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	return f.subfolder(name)
}

// subfolder refuses a folder of the store that is none, or that others may write to.
func (f *folder) subfolder(name string) error {
	st, err := f.root.Lstat(name)
	if err != nil {
		return err
	}
	if !st.IsDir() {
		return refuse(CodeUnsafe, name, "it is no folder, but %s", kind(st.Mode()))
	}
	return trusted(name, st, false)
}

func (f *folder) write(name string, data []byte) error {
	w, err := f.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	if err == nil {
		err = w.Sync()
	}
	return errors.Join(err, w.Close())
}

func (f *folder) rename(from, to string) error { return f.root.Rename(from, to) }
func (f *folder) remove(name string) error     { return f.root.Remove(name) }

func (f *folder) sync(name string) error {
	d, err := f.root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// open opens a file that is what it should be.
func (f *folder) open(name string, flag int) (*os.File, fs.FileInfo, error) {
	if parent := filepath.Dir(name); parent != "." {
		if err := f.subfolder(parent); err != nil {
			return nil, nil, err
		}
	}
	before, err := f.root.Lstat(name)
	if err != nil {
		return nil, nil, err
	}
	if !before.Mode().IsRegular() { // to open one of these may wait, or do something
		return nil, nil, refuse(CodeUnsafe, name, "it is no file, but %s", kind(before.Mode()))
	}
	r, err := f.root.OpenFile(name, flag, 0)
	if err != nil {
		return nil, nil, err
	}
	st, err := r.Stat()
	if err == nil && !os.SameFile(before, st) {
		err = refuse(CodeUnsafe, name, "it was exchanged meanwhile")
	}
	if err == nil {
		err = trusted(name, st, false)
	}
	if err != nil {
		r.Close()
		return nil, nil, err
	}
	return r, st, nil
}

func (f *folder) read(name string, max int64) ([]byte, error) {
	r, st, err := f.open(name, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if st.Size() > max {
		return nil, refuse(CodeUnsafe, name, "it has %d bytes, more than %d", st.Size(), max)
	}
	b, err := io.ReadAll(io.LimitReader(r, max+1))
	if err == nil && int64(len(b)) > max {
		err = refuse(CodeUnsafe, name, "it has more than %d bytes", max)
	}
	return b, err
}

func (f *folder) names(name string) ([]string, error) {
	if err := f.subfolder(name); err != nil {
		return nil, err
	}
	d, err := f.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	list, err := d.Readdirnames(maxNames + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(list) > maxNames {
		return nil, refuse(CodeUnsafe, name, "it has more than %d names", maxNames)
	}
	slices.Sort(list)
	return list, nil
}

// create makes the folder of a store, and has its name on the disk.
func create(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(dir, folderMode); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		return err
	}
	parent, err := os.Open(filepath.Dir(dir))
	if err != nil {
		return err
	}
	if err := errors.Join(parent.Sync(), parent.Close()); err != nil {
		return fmt.Errorf("bring %s to the disk: %w", filepath.Dir(dir), err)
	}
	return nil
}
