package amd64

import (
	"errors"
	"fmt"
)

var (
	// ErrTruncated is returned by [Decode] when the instruction continues
	// behind the end of the given bytes. Every strict prefix of an
	// instruction that can be decoded gives it.
	ErrTruncated = errors.New("amd64: truncated instruction")

	// ErrUnknown is what an [UnknownError] is.
	ErrUnknown = errors.New("amd64: unknown instruction")

	// ErrOverflow is what an [OverflowError] is.
	ErrOverflow = errors.New("amd64: relocation overflow")

	// ErrNoField is returned, wrapped, for relocation types that have no
	// field to compute or to solve (R_X86_64_NONE, R_X86_64_COPY, ...).
	ErrNoField = errors.New("amd64: relocation has no field to solve")

	// ErrShortField is returned, wrapped, when the bytes handed over are
	// fewer than the relocation's field.
	ErrShortField = errors.New("amd64: field is cut off")

	// ErrOutOfReach is what a [ReachError] is.
	ErrOutOfReach = errors.New("amd64: target out of reach")
)

// An UnknownError says that the bytes are not an instruction that [Decode]
// knows. errors.Is(err, ErrUnknown) holds.
type UnknownError struct {
	Bytes  []byte // up to the byte that settled it; at most 15
	Reason string // what is wrong
}

func (e *UnknownError) Error() string {
	return fmt.Sprintf("amd64: unknown instruction % x: %s", e.Bytes, e.Reason)
}

// Is makes errors.Is(err, ErrUnknown) hold.
func (e *UnknownError) Is(target error) bool { return target == ErrUnknown }

// An OverflowError says that a computed value does not fit in the field of its
// relocation. errors.Is(err, ErrOverflow) holds.
type OverflowError struct {
	Howto *Howto
	Value uint64 // the full result of the expression, modulo 2^64
	Place uint64 // P as it was given
}

func (e *OverflowError) Error() string {
	return fmt.Sprintf("amd64: %s at %#x: value %#x (%d) does not fit in %d bytes, %s",
		e.Howto.Name, e.Place, e.Value, int64(e.Value), e.Howto.Size, e.Howto.Overflow)
}

// Is makes errors.Is(err, ErrOverflow) hold.
func (e *OverflowError) Is(target error) bool { return target == ErrOverflow }

// A ReachError says that a target is further away than a signed 32-bit
// displacement reaches. errors.Is(err, ErrOutOfReach) holds.
type ReachError struct {
	What     string // "jmp", "call", "jcc", "rip-relative operand"
	From, To uint64 // the address of the instruction, and what it should reach
}

func (e *ReachError) Error() string {
	return fmt.Sprintf("amd64: %s at %#x cannot reach %#x: %#x bytes, the limit is 2 GiB",
		e.What, e.From, e.To, distance(e.From, e.To))
}

// Is makes errors.Is(err, ErrOutOfReach) hold.
func (e *ReachError) Is(target error) bool { return target == ErrOutOfReach }

func distance(a, b uint64) uint64 {
	if a > b {
		return a - b
	}
	return b - a
}
