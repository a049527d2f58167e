package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// owner returns who owns a file, and how many names it has.
func owner(st fs.FileInfo) (uid int, links uint64) {
	s, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return -1, 0
	}
	return int(s.Uid), uint64(s.Nlink)
}

const (
	lockPoll = 20 * time.Millisecond // between two looks at a lock that somebody else has
	lockWait = 30 * time.Second      // for it
)

// lock waits until nobody else has the lock, or none who changes something where shared.
func (f *folder) lock(ctx context.Context, shared bool) (unlock func(), err error) {
	how := syscall.LOCK_EX
	if shared {
		how = syscall.LOCK_SH
	}
	r, err := f.lockFile()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	for {
		err := syscall.Flock(int(r.Fd()), how|syscall.LOCK_NB)
		switch {
		case err == nil:
			return func() { r.Close() }, nil // and with it the lock
		case !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR):
			r.Close()
			return nil, err
		}
		select {
		case <-ctx.Done():
			r.Close()
			return nil, refuseBy(context.Cause(ctx), CodeLocked, lockName, "somebody else has the lock")
		case <-time.After(lockPoll):
		}
	}
}

const lockName = "lock"

func (f *folder) lockFile() (*os.File, error) {
	w, err := f.root.OpenFile(lockName, os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode)
	if errors.Is(err, fs.ErrExist) {
		w, _, err = f.open(lockName, os.O_RDWR)
	}
	return w, err
}
