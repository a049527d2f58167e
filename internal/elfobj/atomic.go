package elfobj

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// WriteFile writes a file of that name so that others see the old content or
// the new one, and never a part. It writes a temporary file in the same folder
// and renames it. Symbolic links to files are followed. New files have mode 0644
// less the umask; existing ones keep their permissions. On error nothing is
// left behind.
//
// It refuses to replace what is not a regular file, such as /dev/null.
func WriteFile(name string, w io.WriterTo) error {
	mode, exists := os.FileMode(0o644), false
	switch st, err := os.Stat(name); {
	case err == nil && !st.Mode().IsRegular():
		return fmt.Errorf("write %s: not a regular file", name)
	case err == nil:
		mode, exists = st.Mode().Perm(), true
		if name, err = filepath.EvalSymlinks(name); err != nil {
			return err
		}
	case !errors.Is(err, os.ErrNotExist):
		return err
	}
	tmp, err := createTemp(name, mode)
	if err != nil {
		return err
	}
	defer func() { // after success there is no such file, nor anything to close
		tmp.Close()
		os.Remove(tmp.Name())
	}()
	if _, err := w.WriteTo(tmp); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if exists { // the umask must not take away what the file had
		if err := tmp.Chmod(mode); err != nil {
			return err
		}
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), name)
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
