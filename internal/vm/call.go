package vm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gosplice/gosplice/internal/vm/wire"
)

// Error is the guest's refusal to do something.
type Error struct {
	Op    string        // what was asked for, such as "load"
	Name  string        // of which module, file or program; may be empty
	Errno syscall.Errno // 0 when it was no system call that failed
	Msg   string        // the guest's words
	Log   []Record      // what the kernel logged in the meantime
}

// Error has what the kernel said, one line each: that is where a module's
// loader tells its reasons.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "guest: %s %s: %s", e.Op, e.Name, e.Msg)
	for _, r := range e.Log {
		fmt.Fprintf(&b, "\n\t%s", r.Text)
	}
	return b.String()
}

// Unwrap returns Errno, so that errors.Is finds syscall.ENOEXEC and the like.
func (e *Error) Unwrap() error {
	if e.Errno == 0 {
		return nil
	}
	return e.Errno
}

// call sends a request and waits for the answer. When ctx ends first, the guest
// is told to stop.
func (m *Machine) call(ctx context.Context, op wire.Op, fields ...[]byte) (*wire.Message, error) {
	answer := make(chan *wire.Message, 1)
	m.mu.Lock()
	m.lastID++
	id := m.lastID
	m.pending[id] = answer
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.pending, id)
	}()
	b, err := wire.Append(nil, &wire.Message{ID: id, Op: op, Fields: fields})
	if err != nil {
		return nil, err
	}
	select {
	case m.out <- b:
	case <-m.gone:
		return nil, m.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	select {
	case r := <-answer:
		return r, nil
	case <-m.gone:
		return nil, m.err
	case <-ctx.Done():
		m.cancel(id)
		return nil, context.Cause(ctx)
	}
}

// cancel does not wait for a guest that does not listen.
func (m *Machine) cancel(id uint32) {
	b, err := wire.Append(nil, &wire.Message{ID: id, Op: wire.Cancel})
	if err != nil {
		return
	}
	select {
	case m.out <- b:
	case <-m.gone:
	case <-time.After(time.Second):
	}
}

// ErrStalled is why a machine is killed that does not do what it was asked for within
// [Options].Patience: its kernel, or the emulator, stands still.
var ErrStalled = errors.New("the guest stands still: it did not do in time what it was asked for")

// do is call for requests that the guest may refuse. One that stands still is killed.
func (m *Machine) do(ctx context.Context, what, name string, op wire.Op, fields ...[]byte) ([][]byte, error) {
	if op == wire.Run {
		return m.ask(ctx, what, name, op, fields...)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, m.patience, ErrStalled)
	defer cancel()
	f, err := m.ask(ctx, what, name, op, fields...)
	if errors.Is(err, ErrStalled) {
		m.kill(ErrStalled)
	}
	return f, err
}

func (m *Machine) ask(ctx context.Context, what, name string, op wire.Op, fields ...[]byte) ([][]byte, error) {
	mark := m.mark()
	r, err := m.call(ctx, op, fields...)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", what, name, err)
	}
	if r.Op == wire.Reply {
		return r.Fields, nil
	}
	errno, _ := strconv.Atoi(string(r.Field(0))) // 0 for whatever else it may be
	return nil, &Error{Op: what, Name: name, Errno: syscall.Errno(errno), Msg: string(r.Field(1)), Log: m.since(mark)}
}

// Load loads a module from its file's content, with parameters such as
// "debug=1 name=x", by finit_module(2). A refusal is an [Error] that holds what
// the kernel logged.
func (m *Machine) Load(ctx context.Context, image []byte, params string) error {
	return m.LoadFlags(ctx, image, params, 0)
}

// LoadFlags is Load with flags of finit_module(2), such as
// unix.MODULE_INIT_COMPRESSED_FILE.
func (m *Machine) LoadFlags(ctx context.Context, image []byte, params string, flags int) error {
	name := "module"
	if info, err := ModInfo(image); err == nil && info["name"] != "" {
		name = info["name"]
	}
	_, err := m.do(ctx, "load", name, wire.Load, image, []byte(params), itoa(flags))
	return err
}

// Modprobe loads a module of the kernel's own package, after those that it
// depends on. Those that are loaded already do no harm.
func (m *Machine) Modprobe(ctx context.Context, name, params string) error {
	list, err := m.Kernel.withDependencies(name)
	if err != nil {
		return err
	}
	for i, l := range list {
		p := ""
		if i == len(list)-1 {
			p = params
		}
		_, err := m.do(ctx, "load", l.name, wire.Load, l.image, []byte(p), itoa(0))
		if err != nil && !isErrno(err, syscall.EEXIST) {
			return err
		}
	}
	return nil
}

// Unload removes a module, and does not wait for its users.
func (m *Machine) Unload(ctx context.Context, name string) error {
	_, err := m.do(ctx, "unload", name, wire.Unload, []byte(name), itoa(syscall.O_NONBLOCK))
	return err
}

// ReadFile returns a file's content.
func (m *Machine) ReadFile(ctx context.Context, path string) ([]byte, error) {
	f, err := m.do(ctx, "read", path, wire.ReadFile, []byte(path))
	if err != nil {
		return nil, err
	}
	return f[0], nil
}

// WriteFile writes to a file that exists, such as one of sysfs, in one system
// call, and neither makes nor truncates it.
func (m *Machine) WriteFile(ctx context.Context, path string, data []byte) error {
	_, err := m.do(ctx, "write", path, wire.WriteFile, []byte(path), data, nil)
	return err
}

// Put makes a file with that content, and the folders above it, or replaces it.
func (m *Machine) Put(ctx context.Context, path string, data []byte, perm os.FileMode) error {
	_, err := m.do(ctx, "put", path, wire.WriteFile, []byte(path), data, fmt.Appendf(nil, "%o", perm.Perm()))
	return err
}

// ReadDir returns the sorted names of what is in a folder.
func (m *Machine) ReadDir(ctx context.Context, path string) ([]string, error) {
	f, err := m.do(ctx, "list", path, wire.ReadDir, []byte(path))
	names := make([]string, len(f))
	for i, name := range f {
		names[i] = string(name)
	}
	return names, err
}

// Command is a program to run in the guest. There is no shell, and there are no
// libraries: programs are statically linked and brought along.
type Command struct {
	Path  string
	Args  []string // without the program's name
	Stdin []byte
	Dir   string   // the folder to run in; "" is the root
	Env   []string // NAME=VALUE, beside PATH
}

// Result is what became of a [Command]. A status other than 0 is no error.
type Result struct {
	Status         int // of its exit, or 128 + the number of the signal that ended it
	Stdout, Stderr []byte
}

// Run runs a program to its end. It is killed when ctx ends.
func (m *Machine) Run(ctx context.Context, c Command) (*Result, error) {
	fields := [][]byte{c.Stdin, []byte(c.Dir), []byte(strings.Join(c.Env, "\x00")), []byte(c.Path)}
	for _, a := range c.Args {
		fields = append(fields, []byte(a))
	}
	f, err := m.do(ctx, "run", c.Path, wire.Run, fields...)
	if err != nil {
		return nil, err
	}
	status, err := strconv.Atoi(string(f[0]))
	return &Result{Status: status, Stdout: f[1], Stderr: f[2]}, err
}

// WaitFile reads a file until it holds want but for white space around it, such
// as "0" in a livepatch's "transition", or ctx ends.
func (m *Machine) WaitFile(ctx context.Context, path, want string) error {
	for {
		b, err := m.ReadFile(ctx, path)
		if err != nil {
			return err
		}
		got := strings.TrimSpace(string(b))
		if got == want {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %q in %s, which holds %q: %w", want, path, got, context.Cause(ctx))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func itoa(n int) []byte { return strconv.AppendInt(nil, int64(n), 10) }

func isErrno(err error, want syscall.Errno) bool {
	e, ok := err.(*Error)
	return ok && e.Errno == want
}
