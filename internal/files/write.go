package files

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// ErrInput is wrapped by the error of [Output] for output in the place of input.
var ErrInput = errors.New("it is an input")

// Output reports whether a file of that name may be written: it must not be one of
// the inputs, by whatever name, and only a regular file is replaced.
func Output(name string, inputs ...string) error {
	st, err := os.Stat(name)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !st.Mode().IsRegular():
		return fmt.Errorf("write %w", notRegular(name, st.Mode()))
	}
	for _, in := range inputs {
		if other, err := os.Stat(in); err == nil && os.SameFile(st, other) {
			return fmt.Errorf("write %s: %w, %s", name, ErrInput, in)
		}
	}
	return nil
}

// Write writes a file of that name so that others see the old content or the new
// one, and never a part, also after the machine has lost its power. It writes a
// temporary file in the same folder, and renames it when it is on the disk.
// Symbolic links to files are followed. New files have mode 0644 less the umask;
// existing ones keep their permissions. On error nothing is left behind.
//
// It refuses what [Output] does.
func Write(name string, w io.WriterTo, inputs ...string) error {
	if err := Output(name, inputs...); err != nil {
		return err
	}
	mode, exists := os.FileMode(0o644), false
	if st, err := os.Stat(name); err == nil {
		mode, exists = st.Mode().Perm(), true
		if name, err = filepath.EvalSymlinks(name); err != nil {
			return err
		}
	}
	tmp, err := createTemp(name, mode)
	if err != nil {
		return err
	}
	defer func() { // after success there is no such file, nor anything to close
		tmp.Close()
		os.Remove(tmp.Name())
	}()
	if exists { // the umask must not take away what the file had
		if err := tmp.Chmod(mode); err != nil {
			return err
		}
	}
	if err := fill(tmp, w); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := os.Rename(tmp.Name(), name); err != nil {
		return err
	}
	syncFolder(filepath.Dir(name))
	return nil
}

// fill writes the content and has it on the disk.
func fill(f *os.File, w io.WriterTo) error {
	if _, err := w.WriteTo(f); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}

// syncFolder has the names in a folder on the disk, where the file system can do
// so, and the folder can be read. Where not, the file is whole all the same.
func syncFolder(name string) {
	d, err := os.Open(name)
	if err != nil {
		return
	}
	defer d.Close()
	d.Sync()
}

// createTemp is os.CreateTemp but for the mode, which has to obey the umask.
func createTemp(name string, mode os.FileMode) (*os.File, error) {
	for range 100 {
		tmp := filepath.Join(filepath.Dir(name), fmt.Sprintf(".%s.%08x", filepath.Base(name), rand.Uint32()))
		f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
		if !errors.Is(err, os.ErrExist) {
			return f, err
		}
	}
	return nil, fmt.Errorf("write %s: no free name for a temporary file", name)
}
