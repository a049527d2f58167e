package patch

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
)

// A Tree is a source tree with patches applied, in memory: the files that differ from a
// base, which is never written to. It is not for concurrent use; clones of it are independent.
type Tree struct {
	base  fs.FS
	files map[string]*entry // what patches have touched; entries are immutable
	// placed are the hunks that are at other lines than they say.
	placed []Placement
}

// An entry is a file that patches have touched.
type entry struct {
	content []byte
	gone    bool // deleted, or not there
	mode    fs.FileMode
	base    *baseFile // what the base has there; nil for nothing
}

// A baseFile is what is kept of a file of the base, to tell what differs from it.
type baseFile struct {
	sum  [sha256.Size]byte
	size int
	mode fs.FileMode
}

// NewTree returns a tree that is as base is. What patches touch is read once, when they
// are applied: base has to stay as it is.
func NewTree(base fs.FS) *Tree {
	return &Tree{base: base, files: map[string]*entry{}}
}

// Clone returns a tree that is as this one, and independent of it. It costs what a map of the
// files costs that patches have touched.
func (t *Tree) Clone() *Tree {
	return &Tree{base: t.base, files: maps.Clone(t.files), placed: slices.Clip(t.placed)}
}

// Changed returns the files that differ from the base, by their paths: their content, or nil
// where they are deleted. What it returns is the caller's.
func (t *Tree) Changed() map[string][]byte {
	out := map[string][]byte{}
	for name, e := range t.files {
		switch {
		case e.gone && e.base != nil:
			out[name] = nil
		case !e.gone && !e.sameContent():
			out[name] = append([]byte{}, e.content...)
		}
	}
	return out
}

// Modes returns the permissions of the files that are new, or have others than in the base, by
// their paths: 0644 or 0755.
func (t *Tree) Modes() map[string]fs.FileMode {
	out := map[string]fs.FileMode{}
	for name, e := range t.files {
		if !e.gone && (e.base == nil || e.mode != e.base.mode) {
			out[name] = e.mode
		}
	}
	return out
}

// sameContent reports whether the base has the same content there.
func (e *entry) sameContent() bool {
	return e.base != nil && len(e.content) == e.base.size && sha256.Sum256(e.content) == e.base.sum
}

// ReadFile returns the content of a file, with the patches applied. It must not be written
// to. The error is fs.ErrNotExist where the file is not there, or deleted.
func (t *Tree) ReadFile(name string) ([]byte, error) {
	e := t.files[name]
	if e == nil && t.base == nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: fs.ErrNotExist}
	}
	if e == nil {
		return fs.ReadFile(t.base, name)
	}
	if e.gone {
		return nil, &fs.PathError{Op: "read", Path: name, Err: fs.ErrNotExist}
	}
	return e.content, nil
}

// What is not a file to be patched.
var (
	errLink   = errors.New("a symbolic link")
	errNoFile = errors.New("no ordinary file")
	errLarge  = fmt.Errorf("larger than %d MiB", maxFile>>20)
)

// load returns the entry of a path, of the base where no patch has touched it. One that is
// gone stands for no file.
func (t *Tree) load(name string) (*entry, error) {
	if e := t.files[name]; e != nil {
		return e, nil
	}
	if err := t.walk(path.Dir(name)); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return &entry{gone: true}, nil
		}
		return nil, err
	}
	info, err := fs.Lstat(t.base, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &entry{gone: true}, nil
	case err != nil:
		return nil, err
	case info.Mode()&fs.ModeSymlink != 0:
		return nil, &fs.PathError{Op: "patch", Path: name, Err: errLink}
	case !info.Mode().IsRegular():
		return nil, &fs.PathError{Op: "patch", Path: name, Err: errNoFile}
	}
	return t.read(name, info.Mode())
}

// walk looks whether a path is a folder, and no part of it a symbolic link.
func (t *Tree) walk(dir string) error {
	if dir == "." {
		return nil
	}
	if err := t.walk(path.Dir(dir)); err != nil {
		return err
	}
	if e := t.files[dir]; e != nil && !e.gone {
		return &fs.PathError{Op: "patch", Path: dir, Err: errNoFile}
	}
	info, err := fs.Lstat(t.base, dir)
	switch {
	case err != nil:
		return err
	case info.Mode()&fs.ModeSymlink != 0:
		return &fs.PathError{Op: "patch", Path: dir, Err: errLink}
	case !info.IsDir() && t.files[dir] == nil:
		return &fs.PathError{Op: "patch", Path: dir, Err: errNoFile}
	}
	return nil
}

// read reads a file of the base.
func (t *Tree) read(name string, mode fs.FileMode) (*entry, error) {
	f, err := t.base.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(content) > maxFile {
		err = &fs.PathError{Op: "patch", Path: name, Err: errLarge}
	}
	if err != nil {
		return nil, err
	}
	perm := fs.FileMode(0o644)
	if mode&0o100 != 0 {
		perm = 0o755
	}
	base := &baseFile{sha256.Sum256(content), len(content), perm}
	return &entry{content: bytes.Clone(content), mode: perm, base: base}, nil
}
