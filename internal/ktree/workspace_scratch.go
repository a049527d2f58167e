package ktree

import (
	"errors"
	"os"
)

// A scratch is a folder of one user at a time for what is being made. What a killed user left in
// it is removed by the next one.
type scratch struct {
	dir  string
	lock *os.File
}

// scratch takes an empty folder in the cache.
func (t *Tree) scratch() (*scratch, error) {
	dir, lock, err := t.claim("ktree-scratch")
	if err != nil {
		return nil, err
	}
	if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o755)); err != nil {
		lock.Close()
		return nil, err
	}
	return &scratch{dir, lock}, nil
}

// release removes the folder.
func (s *scratch) release() error {
	defer s.lock.Close()
	return os.RemoveAll(s.dir)
}
