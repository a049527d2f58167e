package vm

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// qemu is the name of the emulator.
const qemu = "qemu-system-x86_64"

// process is a running emulator and both its lines.
type process struct {
	conn    net.Conn // the port
	console *tail    // the first serial line, and what QEMU itself has to say
	done    chan struct{}
	err     error // why it ended; to be read once done is closed
}

// startProcess starts the emulator. It is killed when ctx is done, when the
// process that called dies, and by the function that is returned.
func startProcess(ctx context.Context, args []string, initrd []byte) (*process, context.CancelFunc, error) {
	image, err := memFile("initramfs", initrd)
	if err != nil {
		return nil, nil, err
	}
	defer image.Close()
	conn, theirs, err := socketPair()
	if err != nil {
		return nil, nil, err
	}
	defer theirs.Close()

	ctx, cancel := context.WithCancel(ctx)
	p := &process{conn: conn, console: &tail{max: 1 << 20}, done: make(chan struct{})}
	cmd := exec.CommandContext(ctx, qemu, args...)
	cmd.ExtraFiles = []*os.File{image, theirs} // initrdFD, portFD
	cmd.Stdout, cmd.Stderr = p.console, p.console
	cmd.WaitDelay = 5 * time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		// The signal is sent when the thread that started the child ends:
		// this one stays as long as the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		started <- nil
		p.err = cmd.Wait()
		if ctx.Err() != nil {
			p.err = context.Cause(ctx) // rather than the signal that it caused
		}
		conn.Close()
		close(p.done)
	}()
	if err := <-started; err != nil {
		cancel()
		conn.Close()
		return nil, nil, fmt.Errorf("start %s: %w", qemu, err)
	}
	return p, cancel, nil
}

// memFile returns an anonymous file with that content.
func memFile(name string, content []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	f := os.NewFile(uintptr(fd), name)
	if _, err := f.Write(content); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// socketPair returns both ends of a connection: ours, and the one to inherit.
func socketPair() (net.Conn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "port"), os.NewFile(uintptr(fds[1]), "port of "+qemu)
	conn, err := net.FileConn(ours) // a duplicate
	ours.Close()
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return conn, theirs, nil
}

// tail keeps the last bytes that were written to it.
type tail struct {
	max int

	mu sync.Mutex
	b  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if over := len(t.b) - t.max; over > t.max { // not at every byte beyond
		t.b = append(t.b[:0], t.b[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.ReplaceAll(t.b[max(0, len(t.b)-t.max):], []byte("\r\n"), []byte("\n")))
}
