package vm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"
	"time"

	"github.com/gosplice/gosplice/internal/vm/wire"
)

// maxReadAt is what the guest reads at once.
const maxReadAt = 1<<26 - 1

// ReadAt reads a part of a file, such as /proc/kcore, and returns the size that
// the file has by its own account. At the end of the file it returns less than
// was asked for, without an error.
func (m *Machine) ReadAt(ctx context.Context, path string, off int64, n int) (b []byte, size int64, err error) {
	f, err := m.do(ctx, "read", path, wire.ReadAt, []byte(path), strconv.AppendInt(nil, off, 10), itoa(min(n, maxReadAt)))
	if err != nil {
		return nil, 0, err
	}
	size, err = strconv.ParseInt(string(f[1]), 10, 64)
	return f[0], size, err
}

// FS returns the guest's files, to be read while ctx lasts. Files implement
// [io.ReaderAt]; what has been read is not kept. The errors of the guest are those
// of [fs]: errors.Is finds fs.ErrNotExist.
func (m *Machine) FS(ctx context.Context) fs.FS { return guestFS{ctx, m} }

type guestFS struct {
	ctx context.Context
	m   *Machine
}

// pathError makes the guest's error one about a path.
func pathError(op, name string, err error) error {
	var refused *Error
	if errors.As(err, &refused) && refused.Errno != 0 {
		err = refused.Errno
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}

func (g guestFS) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	_, size, err := g.m.ReadAt(g.ctx, "/"+name, 0, 0)
	if err != nil {
		return nil, pathError("open", name, err)
	}
	return &guestFile{fs: g, name: name, size: size}, nil
}

// ReadFile implements [fs.ReadFileFS].
func (g guestFS) ReadFile(name string) ([]byte, error) {
	b, err := g.m.ReadFile(g.ctx, "/"+name)
	if err != nil {
		return nil, pathError("read", name, err)
	}
	return b, nil
}

// ReadDir implements [fs.ReadDirFS]. The guest only tells names.
func (g guestFS) ReadDir(name string) ([]fs.DirEntry, error) {
	names, err := g.m.ReadDir(g.ctx, "/"+name)
	if err != nil {
		return nil, pathError("readdir", name, err)
	}
	out := make([]fs.DirEntry, len(names))
	for i, n := range names {
		out[i] = guestEntry(n)
	}
	return out, nil
}

// guestEntry is an entry of a folder, of which nothing but the name is known.
type guestEntry string

func (e guestEntry) Name() string               { return string(e) }
func (e guestEntry) IsDir() bool                { return false }
func (e guestEntry) Type() fs.FileMode          { return fs.ModeIrregular }
func (e guestEntry) Info() (fs.FileInfo, error) { return nil, errors.ErrUnsupported }

// guestFile is an open file. Small files of proc and sysfs have to be read at
// once, so that reading begins with all of it.
type guestFile struct {
	fs   guestFS
	name string
	size int64
	rest *bytes.Reader
}

func (f *guestFile) Stat() (fs.FileInfo, error) { return guestInfo{f.name, f.size}, nil }
func (f *guestFile) Close() error               { return nil }

func (f *guestFile) Read(p []byte) (int, error) {
	if f.rest == nil {
		b, err := f.fs.ReadFile(f.name)
		if err != nil {
			return 0, err
		}
		f.rest = bytes.NewReader(b)
	}
	return f.rest.Read(p)
}

// ReadAt implements [io.ReaderAt].
func (f *guestFile) ReadAt(p []byte, off int64) (int, error) {
	for n := 0; n < len(p); {
		b, _, err := f.fs.m.ReadAt(f.fs.ctx, "/"+f.name, off+int64(n), len(p)-n)
		if err != nil {
			return n, pathError("read", f.name, fmt.Errorf("at %#x: %w", off+int64(n), err))
		}
		if len(b) == 0 {
			return n, io.EOF
		}
		n += copy(p[n:], b)
	}
	return len(p), nil
}

type guestInfo struct {
	name string
	size int64
}

func (i guestInfo) Name() string       { return path.Base(i.name) }
func (i guestInfo) Size() int64        { return i.size }
func (i guestInfo) Mode() fs.FileMode  { return 0o400 }
func (i guestInfo) ModTime() time.Time { return time.Time{} }
func (i guestInfo) IsDir() bool        { return false }
func (i guestInfo) Sys() any           { return nil }
