package vm

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/vm/wire"
)

const portName = wire.PortName

// Machine is a booted guest. Its methods may be called at the same time.
type Machine struct {
	// Kernel is what was booted.
	Kernel *Kernel
	// Release is what the guest's kernel calls itself.
	Release string
	// BootTime is how long it took from QEMU's start to the first message.
	BootTime time.Duration

	proc     *process
	kill     context.CancelCauseFunc
	out      chan []byte   // encoded messages
	gone     chan struct{} // closed once the machine cannot be talked to any more
	patience time.Duration
	err      error // why; to be read once gone is closed

	mu      sync.Mutex
	lastID  uint32
	pending map[uint32]chan *wire.Message
	log     []Record
	checked int     // how many records Check has seen
	last    *uint64 // the taint when Close was called
}

// Start boots a machine and returns once its init answers. The machine is killed
// when ctx is done, which therefore must not have the deadline of the boot alone.
// The caller has to [Machine.Close] it.
func Start(ctx context.Context, o Options) (*Machine, error) {
	initrd, err := o.initramfs(ctx)
	if err != nil {
		return nil, err
	}
	deb.Progress(ctx, "boot %s, processor %s%s", o.Kernel.Release, cmp.Or(o.CPUModel, defaultModel), strings.Join(append([]string{""}, o.Cmdline...), " "))
	begin := time.Now()
	proc, kill, err := startProcess(ctx, o.args(), initrd)
	if err != nil {
		return nil, err
	}
	m := &Machine{
		Kernel: o.Kernel, proc: proc, kill: kill, patience: cmp.Or(o.Patience, defaultPatience),
		out: make(chan []byte), gone: make(chan struct{}), pending: map[uint32]chan *wire.Message{},
	}
	hello := make(chan string, 1)
	go m.receive(hello)
	go m.transmit()
	select {
	case m.Release = <-hello:
		m.BootTime = time.Since(begin)
		return m, nil
	case <-time.After(bootTimeout):
		err = fmt.Errorf("no answer from the guest's init for %v", bootTimeout)
	case <-m.gone:
		err = m.err
	}
	kill(err)
	<-proc.done
	var dead *DeadError
	if !errors.As(err, &dead) {
		err = &DeadError{Err: err, Console: proc.console.String()}
	}
	return nil, fmt.Errorf("boot %s: %w", o.Kernel.Release, err)
}

// bootTimeout is far above the few seconds that a boot takes on an idle host, and
// the half minute on one that has ten times as much to do as it can.
const bootTimeout = 5 * time.Minute

// DeadError tells that a machine is gone: its kernel panicked, it went off, QEMU
// ended, or it was killed.
type DeadError struct {
	Err     error  // how QEMU ended, or why it was killed
	Console string // what the first serial line said, and QEMU itself
}

// Error has the last lines of the console.
func (e *DeadError) Error() string {
	lines := strings.Split(strings.TrimSpace(e.Console), "\n")
	return fmt.Sprintf("machine is gone: %v; end of its console:\n\t%s", e.Err,
		strings.Join(lines[max(0, len(lines)-consoleLines):], "\n\t"))
}

const consoleLines = 40

// Unwrap returns Err.
func (e *DeadError) Unwrap() error { return e.Err }

// ErrExit is how a machine ends that was not killed: it went off, or its kernel
// panicked.
var ErrExit = errors.New("the guest ended")

// errHungUp is why a guest is killed that says no more, but does not end.
var errHungUp = errors.New("the guest hung up and did not end")

// receive handles what the guest sends until the connection ends.
func (m *Machine) receive(hello chan<- string) {
	var err error
	for r := bufio.NewReaderSize(m.proc.conn, 1<<16); ; {
		var msg *wire.Message
		if msg, err = wire.Read(r); err != nil {
			break
		}
		switch msg.Op {
		case wire.Hello:
			select {
			case hello <- string(msg.Field(0)):
			default: // a second one means nothing
			}
		case wire.Log, wire.Lost:
			m.addRecord(msg)
		default:
			m.deliver(msg)
		}
	}
	if errors.Is(err, wire.ErrMalformed) {
		m.kill(err) // nothing that follows can be understood
	}
	m.proc.conn.Close()
	select { // a guest that hung up is about to end
	case <-m.proc.done:
	case <-time.After(10 * time.Second):
		m.kill(errHungUp)
		<-m.proc.done
	}
	cause := m.proc.err
	if cause == nil {
		cause = ErrExit
	}
	m.err = &DeadError{Err: cause, Console: m.proc.console.String()}
	close(m.gone)
}

func (m *Machine) deliver(msg *wire.Message) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := m.pending[msg.ID]; c != nil {
		c <- msg // has room for one
		delete(m.pending, msg.ID)
	}
}

// transmit writes messages whole, even when those who sent them have given up.
func (m *Machine) transmit() {
	for {
		select {
		case b := <-m.out:
			if _, err := m.proc.conn.Write(b); err != nil {
				return // receive finds out, too
			}
		case <-m.gone:
			return
		}
	}
}

// Close lets the guest go off, kills it when it does not within half a minute,
// and waits for QEMU's end. It may be called more than once.
func (m *Machine) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if taint, err := m.sync(ctx); err == nil {
		m.mu.Lock()
		m.last = &taint // the log is complete: there may be a Check after Close
		m.mu.Unlock()
	}
	_, err := m.call(ctx, wire.PowerOff)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("the guest did not go off: %w", err)
	} else {
		err = nil // it went, one way or another
	}
	m.kill(context.Canceled)
	<-m.gone
	return err
}

// Console returns what the guest wrote to its first serial line: warnings and
// worse of the kernel, and what its init has to say about its own failures.
func (m *Machine) Console() string { return m.proc.console.String() }
