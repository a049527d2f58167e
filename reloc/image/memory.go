package image

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Memory reads bytes at run addresses.
type Memory interface {
	// ReadAddr fills p with the memory at addr, or returns an error; part of
	// p may be written then. The error should be or wrap an *AddrError, so
	// that it names the place.
	ReadAddr(p []byte, addr uint64) error
}

// ErrUnmapped says that there is no memory at an address.
var ErrUnmapped = errors.New("no memory there")

// An AddrError is a failed access to memory.
type AddrError struct {
	Addr uint64 // start of the access, or the first byte that failed
	Len  int    // bytes
	Err  error
}

func (e *AddrError) Error() string {
	return fmt.Sprintf("read %d bytes at %#x: %v", e.Len, e.Addr, e.Err)
}

func (e *AddrError) Unwrap() error { return e.Err }

// A Segment is a stretch of memory whose content is at hand.
type Segment struct {
	Addr uint64
	Data []byte
}

// Segments is a Memory made of parts: of a dump, or of a test. They have to be
// sorted by address and must not overlap; [NewSegments] sees to both.
type Segments []Segment

// NewSegments sorts the parts, and refuses those that overlap or run over the
// end of the address space.
func NewSegments(parts ...Segment) (Segments, error) {
	s := slices.Clone(parts)
	slices.SortFunc(s, func(a, b Segment) int { return cmp.Compare(a.Addr, b.Addr) })
	for i := range s {
		end := s[i].Addr + uint64(len(s[i].Data))
		if end < s[i].Addr {
			return nil, fmt.Errorf("segment at %#x, %d bytes: runs over the end of the address space", s[i].Addr, len(s[i].Data))
		}
		if i+1 < len(s) && end > s[i+1].Addr {
			return nil, fmt.Errorf("segment at %#x, %d bytes: overlaps that at %#x", s[i].Addr, len(s[i].Data), s[i+1].Addr)
		}
	}
	return s, nil
}

// ReadAddr implements [Memory]. A read may cross from one segment into the
// next when there is no gap.
func (s Segments) ReadAddr(p []byte, addr uint64) error {
	for done := 0; done < len(p); {
		at := addr + uint64(done)
		part := s.at(at)
		if part == nil {
			return &AddrError{Addr: at, Len: len(p) - done, Err: ErrUnmapped}
		}
		done += copy(p[done:], part.Data[at-part.Addr:])
	}
	return nil
}

func (s Segments) at(addr uint64) *Segment {
	i, found := slices.BinarySearchFunc(s, addr, func(x Segment, a uint64) int { return cmp.Compare(x.Addr, a) })
	if !found {
		i--
	}
	if i < 0 || addr-s[i].Addr >= uint64(len(s[i].Data)) {
		return nil
	}
	return &s[i]
}
