package ehframe

import (
	"errors"
	"fmt"
)

// A FormatError is a defect of .eh_frame or .eh_frame_hdr.
type FormatError struct {
	Section string // ".eh_frame" or ".eh_frame_hdr"
	Offset  uint64 // of the defect in the section, in bytes
	Msg     string
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("%s+%#x: %s", e.Section, e.Offset, e.Msg)
}

// ErrUndefined says that a rule needs a register whose value was not saved.
var ErrUndefined = errors.New("register is not known in this frame")

// An ExprError is a DWARF expression that can't be evaluated.
type ExprError struct {
	Offset int // in the expression, in bytes
	Op     byte
	Msg    string
}

func (e *ExprError) Error() string {
	return fmt.Sprintf("DWARF expression+%#x, operation %#02x: %s", e.Offset, e.Op, e.Msg)
}

// Reason says why a stack walk ended early. It is an error that errors.Is finds
// in a [WalkError].
type Reason string

// The reasons.
const (
	NoTable     Reason = "no unwind table for this address"
	NoFDE       Reason = "no unwind entry for this address"
	BadTable    Reason = "unwind table is damaged"
	BadMemory   Reason = "stack can't be read"
	BadRule     Reason = "unwind rule can't be applied"
	NotGrowing  Reason = "stack does not grow" // a loop, or a damaged stack
	TooManyDeep Reason = "too many frames"
)

func (r Reason) Error() string { return string(r) }

// A WalkError says at which frame a walk failed, and why.
type WalkError struct {
	Frame  int    // number of the frame that could not be unwound, 0 is the innermost
	PC     uint64 // its program counter
	Reason Reason
	Err    error // details, or nil
}

func (e *WalkError) Error() string {
	s := fmt.Sprintf("frame %d, pc %#x: %s", e.Frame, e.PC, string(e.Reason))
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the reason and the details, so that errors.Is finds both.
func (e *WalkError) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Reason}
	}
	return []error{e.Reason, e.Err}
}
