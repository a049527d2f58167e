package elfobj

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"sort"
	"sync"
)

// A source is where the bytes of a file come from: memory, or a reader that is
// asked only for what is used. Of an object on disk, what is always needed is
// in memory, and the rest, most of it debug information, is not.
type source struct {
	mem  []extent    // by offset; of a file in memory one that is all of it
	r    io.ReaderAt // for what is not in mem; nil when all of it is
	size uint64
}

// An extent is a part of a file that is in memory.
type extent struct {
	off uint64
	b   []byte
}

// memory is the source of a file that is b.
func memory(b []byte) source { return source{mem: []extent{{0, b}}, size: uint64(len(b))} }

// has reports whether n bytes at off lie within the file.
func (s *source) has(off, n uint64) bool {
	return off <= s.size && n <= s.size-off
}

// slice returns n bytes at off that are in memory. They must not be written to.
func (s *source) slice(off, n uint64) ([]byte, bool) {
	i := sort.Search(len(s.mem), func(i int) bool { return s.mem[i].off > off }) - 1
	if i < 0 {
		return nil, false
	}
	e := &s.mem[i]
	at := off - e.off
	if at > uint64(len(e.b)) || n > uint64(len(e.b))-at {
		return nil, false
	}
	return e.b[at : at+n : at+n], true
}

// bytes returns n bytes at off, of what is in memory a slice, which must not be
// written to. What it allocates otherwise is bounded by the file's size, which
// no field of the file decides.
func (s *source) bytes(off, n uint64) ([]byte, error) {
	if !s.has(off, n) {
		return nil, fmt.Errorf("%#x bytes at %#x in a file of %#x bytes: %w", n, off, s.size, io.ErrUnexpectedEOF)
	}
	if b, ok := s.slice(off, n); ok {
		return b, nil
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
	if b, ok := s.slice(off, uint64(len(p))); ok {
		copy(p, b)
		return nil
	}
	if s.r == nil { // a file that nobody opened
		return io.ErrUnexpectedEOF
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

// maxGap is how many bytes that nobody asked for are read along rather than
// asking twice.
const maxGap = 4 << 10

// load reads the given ranges into memory, as far as they are not yet. They lie
// within the file, so that what is allocated is no larger than the file.
func (s *source) load(ranges []extentRange) error {
	joined, total := join(ranges), uint64(0)
	for _, r := range joined {
		total += r.end - r.off
	}
	all := make([]byte, total)
	for _, r := range joined {
		n := r.end - r.off
		b := all[:n:n]
		all = all[n:]
		if err := s.readFull(b, r.off); err != nil {
			return err
		}
		s.mem = append(s.mem, extent{r.off, b})
	}
	slices.SortStableFunc(s.mem, func(a, b extent) int { return cmp.Compare(a.off, b.off) })
	return nil
}

// extentRange is a range of the file, [off, end).
type extentRange struct{ off, end uint64 }

// join sorts ranges and makes one of those that overlap or nearly touch.
func join(ranges []extentRange) []extentRange {
	byOffset := func(a, b extentRange) int { return cmp.Compare(a.off, b.off) }
	if !slices.IsSortedFunc(ranges, byOffset) {
		slices.SortFunc(ranges, byOffset)
	}
	joined := ranges[:0]
	for _, r := range ranges {
		if n := len(joined); n > 0 && r.off <= joined[n-1].end+maxGap {
			joined[n-1].end = max(joined[n-1].end, r.end)
			continue
		}
		joined = append(joined, r)
	}
	return joined
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
