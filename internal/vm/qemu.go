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
	"time"
)

// Emulator is the name of the emulator's command.
const Emulator = "qemu-system-x86_64"

// process is a running emulator and both its lines.
type process struct {
	conn    net.Conn // the port
	console *tail    // the first serial line, and what QEMU itself has to say
	done    chan struct{}
	err     error // why it ended; to be read once done is closed
}

// startProcess starts the emulator. It is killed when ctx is done, when the
// process that called dies, and by the function that is returned, which takes the reason.
func startProcess(ctx context.Context, args []string, initrd []byte) (*process, context.CancelCauseFunc, error) {
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

	ctx, cancel := context.WithCancelCause(ctx)
	p := &process{conn: conn, console: &tail{max: 1 << 20}, done: make(chan struct{})}
	cmd := exec.CommandContext(ctx, Emulator, args...)
	cmd.ExtraFiles = []*os.File{image, theirs} // initrdFD, portFD
	cmd.Stdout, cmd.Stderr = p.console, p.console
	cmd.WaitDelay = 5 * time.Second
	cmd.SysProcAttr = dieWithParent()
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
		cancel(err)
		conn.Close()
		return nil, nil, fmt.Errorf("start %s: %w", Emulator, err)
	}
	return p, cancel, nil
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
