package procfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// A MapFileError says that the file behind a mapping can't be had. It keeps
// both attempts, because each has its own remedy.
type MapFileError struct {
	Mapping  Mapping
	MapFiles error // why /proc/PID/map_files failed
	Path     error // why the path failed
}

func (e *MapFileError) Error() string {
	return fmt.Sprintf("file behind %#x-%#x %q: by inode: %v; by path: %v",
		e.Mapping.Start, e.Mapping.End, e.Mapping.Path, e.MapFiles, e.Path)
}

func (e *MapFileError) Unwrap() []error { return []error{e.MapFiles, e.Path} }

// ErrReplaced says that a path leads to another file than the mapped one.
var ErrReplaced = errors.New("the path leads to another file than the mapped one")

// ErrNoFile says that there is no file behind a mapping.
var ErrNoFile = errors.New("anonymous memory")

// OpenMapping opens the file that backs a mapping, for reading.
//
// /proc/PID/map_files leads to the mapped inode itself, even when the file was
// deleted or replaced; following it needs CAP_CHECKPOINT_RESTORE or
// CAP_SYS_ADMIN in the first user namespace (proc(5)). Without it, the path
// seen through the process's own root is opened and taken only when device and
// inode are those of the mapping. On file systems where stat(2) and maps
// disagree about the device, such as btrfs and overlayfs, that is never so.
// The error is a [*MapFileError].
func OpenMapping(pid int, m Mapping) (*os.File, error) {
	if !m.IsFile() {
		return nil, &MapFileError{m, ErrNoFile, ErrNoFile}
	}
	pid = MemoryPID(pid)
	f, byInode := os.Open(Path(pid, "map_files", fmt.Sprintf("%x-%x", m.Start, m.End)))
	if byInode == nil {
		return f, nil
	}
	f, byPath := openSame(filepath.Join(Path(pid, "root"), m.Path), m)
	if byPath == nil {
		return f, nil
	}
	return nil, &MapFileError{m, cause(byInode), cause(byPath)}
}

// openSame opens a file when it is the mapped one. O_NONBLOCK and the check of
// the type keep a FIFO that has taken the name from blocking us.
func openSame(name string, m Mapping) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		f.Close()
		return nil, err
	}
	dev := Dev{unix.Major(st.Dev), unix.Minor(st.Dev)}
	if st.Ino != m.Inode || dev != m.Dev || st.Mode&unix.S_IFMT != unix.S_IFREG {
		f.Close()
		return nil, fmt.Errorf("%w (device %v inode %d, mapped are %v and %d)",
			ErrReplaced, dev, st.Ino, m.Dev, m.Inode)
	}
	return f, nil
}

// cause drops the path, which the error that wraps it names in its own way.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
