package procfs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Gate keeps processes from executing certain programs until that is permitted: fanotify(7) with
// FAN_OPEN_EXEC_PERM, since Linux 5.0. It needs CAP_SYS_ADMIN. When it is closed, or its process is
// killed, the kernel permits all.
type Gate struct{ f *os.File }

// NewGate returns a gate that nothing has to pass.
func NewGate() (*Gate, error) {
	fd, err := unix.FanotifyInit(unix.FAN_CLASS_CONTENT|unix.FAN_REPORT_TID|unix.FAN_CLOEXEC|unix.FAN_NONBLOCK, unix.O_RDONLY|unix.O_LARGEFILE|unix.O_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("fanotify: %w", err)
	}
	return &Gate{os.NewFile(uintptr(fd), "fanotify")}, nil
}

// Close opens the gate for all.
func (g *Gate) Close() error { return g.f.Close() }

// Guard has all pass that execute a program: the file itself, whatever its name.
func (g *Gate) Guard(path string) error {
	return g.mark(unix.FAN_MARK_ADD, unix.AT_FDCWD, path)
}

// GuardOverlay has all pass that execute any program of the overlay file system that is mounted at
// a path. What is mounted there and is another one is left alone, without an error.
func (g *Gate) GuardOverlay(path string) error {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil || st.Type != unix.OVERLAYFS_SUPER_MAGIC {
		return err
	}
	return g.mark(unix.FAN_MARK_ADD|unix.FAN_MARK_FILESYSTEM, fd, "")
}

func (g *Gate) mark(flags uint, dir int, path string) error {
	raw, err := g.f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = unix.FanotifyMark(int(fd), flags, unix.FAN_OPEN_EXEC_PERM, dir, path)
	})
	return errors.Join(err, failed)
}

// Passing is a thread that is about to execute a guarded program. Permit has it go on.
type Passing struct {
	TID     int
	Program *os.File // open until it is permitted
	Permit  func()
}

// Wait waits for threads at the gate. Each has to be permitted. The error is os.ErrClosed when the
// gate is closed.
func (g *Gate) Wait() ([]Passing, error) {
	b := make([]byte, 1<<12)
	n, err := g.f.Read(b)
	if err != nil {
		return nil, err
	}
	var list []Passing
	const size = int(unsafe.Sizeof(unix.FanotifyEventMetadata{}))
	for b = b[:n]; len(b) >= size; {
		var m unix.FanotifyEventMetadata
		if err := binary.Read(bytes.NewReader(b), binary.NativeEndian, &m); err != nil || int(m.Event_len) < size || int(m.Event_len) > len(b) {
			break
		}
		b = b[m.Event_len:]
		if m.Fd >= 0 {
			program := os.NewFile(uintptr(m.Fd), "program")
			list = append(list, Passing{int(m.Pid), program, sync.OnceFunc(func() { g.permit(m.Fd, program) })})
		}
	}
	return list, nil
}

func (g *Gate) permit(fd int32, program *os.File) {
	var b bytes.Buffer
	_ = binary.Write(&b, binary.NativeEndian, unix.FanotifyResponse{Fd: fd, Response: unix.FAN_ALLOW})
	_, _ = g.f.Write(b.Bytes())
	_ = program.Close()
}
