//go:build linux && amd64

package ptrace

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"github.com/gosplice/gosplice/internal/procfs"
)

// Mem is the memory of a traced process. It reads at any time, by any
// goroutine. It writes on the tracer's thread, because since Linux 6.12 the
// kernel may permit writes to code (proc_mem.force_override=ptrace) to that
// thread alone; and when it permits them to nobody, by PTRACE_POKEDATA, which
// needs the process to be stopped.
type Mem struct {
	s    *Session
	file *procfs.Mem
}

func openMem(s *Session) (*Mem, error) {
	m := &Mem{s: s}
	var err error
	m.file, err = procfs.OpenMem(s.id.PID, nil)
	return m, err
}

func (m *Mem) close() error { return m.file.Close() }

// Mem returns the process's memory. It is closed by Detach.
func (s *Session) Mem() *Mem { return s.mem }

// ReadAddr fills p with the memory at addr; see [procfs.Mem.ReadAddr].
func (m *Mem) ReadAddr(p []byte, addr uint64) (int, error) { return m.file.ReadAddr(p, addr) }

// ReadAt implements [io.ReaderAt]; the offset is the address.
func (m *Mem) ReadAt(p []byte, off int64) (int, error) { return m.file.ReadAt(p, off) }

// WriteAddr writes p at addr, code and read-only data included; see
// [procfs.Mem.WriteAddr].
func (m *Mem) WriteAddr(p []byte, addr uint64) (n int, err error) {
	err = m.s.do(func(t *tracer) error {
		n, err = t.write(p, addr)
		return err
	})
	return n, err
}

// WriteAt implements [io.WriterAt]; the offset is the address.
func (m *Mem) WriteAt(p []byte, off int64) (int, error) { return m.WriteAddr(p, uint64(off)) }

// write runs on the tracer's thread.
func (t *tracer) write(p []byte, addr uint64) (int, error) {
	if err := t.usable(); err != nil {
		return 0, err
	}
	n, err := t.mem.file.WriteAddr(p, addr)
	if err == nil {
		return n, nil
	}
	th := t.anyStopped()
	if th == nil {
		return n, err
	}
	if pokeErr := pokeBytes(th.tid, addr+uint64(n), p[n:]); pokeErr != nil {
		return n, &procfs.AddrError{Op: "write", Addr: addr + uint64(n), Len: len(p) - n, Err: pokeErr}
	}
	return len(p), nil
}

func (t *tracer) anyStopped() *thread {
	for _, th := range t.threads {
		if th.stopped {
			return th
		}
	}
	return nil
}

// pokeBytes writes p word by word. The first and the last word are read first;
// words are aligned, so that no word touches a page without a byte of p.
func pokeBytes(tid int, addr uint64, p []byte) error {
	const size = 8
	for len(p) > 0 {
		base := addr &^ (size - 1)
		skip := int(addr - base)
		n := min(size-skip, len(p))
		var word [size]byte
		if n < size {
			old, err := peek(tid, base)
			if err != nil {
				return pokeError(err)
			}
			binary.LittleEndian.PutUint64(word[:], old)
		}
		copy(word[skip:], p[:n])
		if err := poke(tid, base, binary.LittleEndian.Uint64(word[:])); err != nil {
			return pokeError(err)
		}
		addr, p = addr+uint64(n), p[n:]
	}
	return nil
}

func pokeError(err error) error {
	if te, ok := err.(*ThreadError); ok && te.Err == unix.ESRCH {
		return procfs.ErrGone
	}
	return err
}
