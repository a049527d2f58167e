package elfobj

import (
	"fmt"
	"io"
	"sync"
)

// A source is where the bytes of a file come from: memory, or a reader that is
// asked only for what is used.
type source struct {
	mem  []byte // the whole file, when r is nil
	r    io.ReaderAt
	size uint64
}

// has reports whether n bytes at off lie within the file.
func (s *source) has(off, n uint64) bool {
	return off <= s.size && n <= s.size-off
}

// bytes returns n bytes at off. From memory it is a slice of the file; it must
// not be written to. What it allocates otherwise is bounded by the file's
// size, which no field of the file decides.
func (s *source) bytes(off, n uint64) ([]byte, error) {
	if !s.has(off, n) {
		return nil, fmt.Errorf("%#x bytes at %#x in a file of %#x bytes: %w", n, off, s.size, io.ErrUnexpectedEOF)
	}
	if s.r == nil {
		return s.mem[off : off+n : off+n], nil
	}
	b := make([]byte, n)
	if err := s.readFull(b, off); err != nil {
		return nil, err
	}
	return b, nil
}

// readFull fills p from off on.
func (s *source) readFull(p []byte, off uint64) error {
	if !s.has(off, uint64(len(p))) {
		return fmt.Errorf("%#x bytes at %#x in a file of %#x bytes: %w", len(p), off, s.size, io.ErrUnexpectedEOF)
	}
	if s.r == nil {
		copy(p, s.mem[off:])
		return nil
	}
	n, err := s.r.ReadAt(p, int64(off))
	switch {
	case n == len(p): // ReadAt may say io.EOF at the very end
		return nil
	case err == nil || err == io.EOF:
		return io.ErrUnexpectedEOF
	}
	return err
}

// lazy is a value that is made on first use. The error is remembered as well,
// so that a broken table is not parsed again and again.
type lazy[T any] struct {
	once sync.Once
	v    T
	err  error
}

func (l *lazy[T]) get(f func() (T, error)) (T, error) {
	l.once.Do(func() { l.v, l.err = f() })
	return l.v, l.err
}
