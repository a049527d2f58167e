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
	fd, err := unix.FanotifyInit(unix.FAN_CLASS_CONTENT|unix.FAN_CLOEXEC|unix.FAN_NONBLOCK, unix.O_RDONLY|unix.O_LARGEFILE|unix.O_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("fanotify: %w", err)
	}
	return &Gate{os.NewFile(uintptr(fd), "fanotify")}, nil
}

// Close opens the gate for all.
func (g *Gate) Close() error { return g.f.Close() }

// Guard has all pass that execute the program of a process: the file itself, whatever its name.
func (g *Gate) Guard(pid int) error {
	raw, err := g.f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = unix.FanotifyMark(int(fd), unix.FAN_MARK_ADD, unix.FAN_OPEN_EXEC_PERM, unix.AT_FDCWD, Path(pid, "exe"))
	})
	return errors.Join(err, failed)
}

// Passing is a process that is about to execute a guarded program. Permit has it go on.
type Passing struct {
	PID     int
	Program string // path of the program, as we see it; "" when it is not to be had
	Permit  func()
}

// Wait waits for processes at the gate. Each has to be permitted. The error is os.ErrClosed when the
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
			program, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", m.Fd))
			list = append(list, Passing{int(m.Pid), program, sync.OnceFunc(func() { g.permit(m.Fd) })})
		}
	}
	return list, nil
}

func (g *Gate) permit(fd int32) {
	var b bytes.Buffer
	_ = binary.Write(&b, binary.NativeEndian, unix.FanotifyResponse{Fd: fd, Response: unix.FAN_ALLOW})
	_, _ = g.f.Write(b.Bytes())
	_ = unix.Close(int(fd))
}
