package dwarf

import (
	"errors"
	"fmt"
)

// ErrNone is returned for an object without the debug section that a question
// needs.
var ErrNone = errors.New("no debug information")

// FormatError says what is wrong with a debug section, and where.
type FormatError struct {
	Section string // such as ".debug_info"
	Offset  uint64 // from the start of the section, uncompressed, in bytes
	Msg     string
}

// Error returns the error on one line.
func (e *FormatError) Error() string {
	return fmt.Sprintf("%s+%#x: %s", e.Section, e.Offset, e.Msg)
}

func (s *section) fail(off uint64, format string, args ...any) error {
	return &FormatError{Section: s.name, Offset: off, Msg: fmt.Sprintf(format, args...)}
}
