package procfs

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"syscall"
)

// An AddrError is a failed access to the memory of a process.
type AddrError struct {
	Op   string // "read" or "write"
	Addr uint64 // first byte that could not be accessed
	Len  int    // bytes from there to the end of the request
	Err  error
}

func (e *AddrError) Error() string {
	return fmt.Sprintf("%s %d bytes at %#x: %v", e.Op, e.Len, e.Addr, e.Err)
}

func (e *AddrError) Unwrap() error { return e.Err }

var (
	errNotMapped  = errors.New("not mapped, or not permitted")
	errOutOfRange = errors.New("not a user address")
)

// A Poker writes memory by another way than /proc/PID/mem, as a tracer can.
type Poker interface {
	// Poke writes b at addr, whatever the protection of a private mapping.
	Poke(addr uint64, b []byte) error
}

// Mem is the memory of a process, through /proc/PID/mem. It stays with the
// address space that the process had when it was opened: after an execve(2)
// every access fails with [ErrGone].
//
// It may be used by several goroutines at once. Nothing orders accesses against
// what the process does; stop it first.
type Mem struct {
	f    *os.File
	file string
	poke Poker
}

// OpenMem opens the memory of a process for reading and writing. It needs the
// permission to trace the process (ptrace(2), "Ptrace access mode checking").
//
// poke may be nil. Otherwise it takes the writes to mappings that are not
// writable when the kernel does not let /proc/PID/mem do them: since Linux 6.12
// proc_mem.force_override=ptrace lets the tracer thread alone do so, and
// proc_mem.force_override=never nobody.
func OpenMem(pid int, poke Poker) (*Mem, error) {
	tid := MemoryPID(pid)
	if tid == 0 {
		return nil, fileError(Path(pid, "mem"), ErrGone)
	}
	file := Path(tid, "mem")
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if errors.Is(err, os.ErrPermission) && poke != nil {
		f, err = os.Open(file) // proc_mem.restrict_write=all
	}
	if err != nil {
		return nil, fileError(file, err)
	}
	return &Mem{f: f, file: file, poke: poke}, nil
}

// Close closes the file.
func (m *Mem) Close() error { return m.f.Close() }

// ReadAddr fills p with the memory at addr. It is whole or an error
// ([*AddrError]); the count is that of the bytes before the first that can't
// be read.
func (m *Mem) ReadAddr(p []byte, addr uint64) (int, error) {
	return access("read", p, addr, m.f.ReadAt)
}

// WriteAddr writes p at addr, private read-only and executable mappings
// included: the process gets its own copy of the page. It is whole or an error
// ([*AddrError]), but when a range is mapped in part, the first part may be
// written; the count tells.
func (m *Mem) WriteAddr(p []byte, addr uint64) (int, error) {
	n, err := access("write", p, addr, m.f.WriteAt)
	if err == nil || m.poke == nil || !errors.Is(err, errNotMapped) {
		return n, err
	}
	if err := m.poke.Poke(addr+uint64(n), p[n:]); err != nil {
		return n, &AddrError{"write", addr + uint64(n), len(p) - n, err}
	}
	return len(p), nil
}

// ReadAt implements [io.ReaderAt]; the offset is the address.
func (m *Mem) ReadAt(p []byte, off int64) (int, error) { return m.ReadAddr(p, uint64(off)) }

// WriteAt implements [io.WriterAt]; the offset is the address.
func (m *Mem) WriteAt(p []byte, off int64) (int, error) { return m.WriteAddr(p, uint64(off)) }

// access transfers p at addr. Addresses from 1<<63, such as the vsyscall page,
// are refused here: pread64 would take them for negative offsets.
func access(op string, p []byte, addr uint64, do func([]byte, int64) (int, error)) (int, error) {
	if addr > math.MaxInt64 || uint64(len(p)) > math.MaxInt64-addr {
		return 0, &AddrError{op, addr, len(p), errOutOfRange}
	}
	n, err := do(p, int64(addr))
	if n == len(p) {
		return n, nil // ReadAt and WriteAt may add io.EOF
	}
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		// The kernel reads or writes 0 bytes when the address space is gone.
		err = ErrGone
	case errors.Is(err, syscall.EIO), errors.Is(err, syscall.EFAULT):
		err = errNotMapped
	}
	var pe *os.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return n, &AddrError{op, addr + uint64(n), len(p) - n, err}
}
