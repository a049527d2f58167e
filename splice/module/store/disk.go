package store

import (
	"errors"
	"io/fs"
	"path"
)

// A disk is the folder of a store, as steps of the file system. Names are relative to it. What it
// reads has been checked: a regular file, without another name, of an owner who is trusted, that
// nobody else may write to.
type disk interface {
	mkdir(name string) error
	// write makes a new file, whose content is on the disk when it returns.
	write(name string, data []byte) error
	rename(from, to string) error
	remove(name string) error
	// sync has the names in a folder on the disk.
	sync(folder string) error
	// read refuses files of more than max bytes.
	read(name string, max int64) ([]byte, error)
	names(folder string) ([]string, error)
}

// fresh is behind the name of a file that is not whole yet.
const fresh = ".new"

// put writes a file so that after a power cut it is the old one or the new one. The store is
// locked, so that one name for what is not whole yet is enough.
func put(d disk, name string, data []byte) error {
	if err := d.remove(name + fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := d.write(name+fresh, data); err != nil {
		return errors.Join(err, unmake(d, name+fresh))
	}
	if err := d.rename(name+fresh, name); err != nil {
		return errors.Join(err, unmake(d, name+fresh))
	}
	return d.sync(path.Dir(name))
}

func unmake(d disk, name string) error {
	if err := d.remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
