package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/gosplice/gosplice/internal/errname"
)

// ErrNotRegular is wrapped by the error of [Open] for a folder, a pipe, a device or
// a socket. It is an [errors.ErrUnsupported].
var ErrNotRegular = errname.New("not a regular file", errors.ErrUnsupported)

// Open opens a regular file to read it. It does not wait for anybody.
func Open(name string) (*os.File, error) {
	// Without O_NONBLOCK, to open a pipe waits for somebody who writes to it.
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ENXIO) { // a socket, or a device that is not there
		return nil, notRegular(name, fs.ModeSocket)
	}
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = notRegular(name, st.Mode())
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// kinds say what is no regular file.
var kinds = []struct {
	mode fs.FileMode
	text string
}{{fs.ModeDir, "a folder"}, {fs.ModeNamedPipe, "a pipe"}, {fs.ModeSocket, "a socket"}, {fs.ModeDevice, "a device"}}

func notRegular(name string, mode fs.FileMode) error {
	for _, k := range kinds {
		if mode&k.mode != 0 {
			return fmt.Errorf("%s: %w, but %s", name, ErrNotRegular, k.text)
		}
	}
	return fmt.Errorf("%s: %w", name, ErrNotRegular)
}
