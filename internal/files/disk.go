package files

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
)

// A Counter counts what folders take of the disk. A file that has several names, by hard links, is
// counted with the first folder that it is in. The zero value is ready.
type Counter struct{ seen map[fileID]bool }

// Count returns how many bytes of the disk a folder takes, and how many files are in it. What goes
// away meanwhile does not count.
func (c *Counter) Count(ctx context.Context, dir string) (bytes int64, files int, err error) {
	if c.seen == nil {
		c.seen = map[fileID]bool{}
	}
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // somebody else works here
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		n, id, shared := onDisk(info)
		if c.seen[id] {
			return nil
		}
		if shared {
			c.seen[id] = true
		}
		bytes += n
		if !d.IsDir() {
			files++
		}
		return nil
	})
	return bytes, files, err
}
