package process

import (
	"fmt"
	"strings"

	"github.com/gosplice/gosplice/splice"
)

// A Blocker is a thread that stands in code that would change.
type Blocker struct {
	TID      int
	Function string
	Addr     uint64 // in run: the next instruction, or where a call returns to
	Frame    int    // 0 is the innermost; -1 when the stack was scanned
}

// String returns e.g. "thread 12 returns to serve at 0x55d0 (frame 3)".
func (b Blocker) String() string {
	switch b.Frame {
	case 0:
		return fmt.Sprintf("thread %d stands in %s at %#x", b.TID, b.Function, b.Addr)
	case -1:
		return fmt.Sprintf("thread %d may return to %s at %#x (found by a scan of its stack)", b.TID, b.Function, b.Addr)
	}
	return fmt.Sprintf("thread %d returns to %s at %#x (frame %d)", b.TID, b.Function, b.Addr, b.Frame)
}

// BusyError says which threads stood in the way at the last attempt. It wraps
// the refusal.
type BusyError struct {
	Refusal  *splice.Refusal
	Blockers []Blocker
}

// Error names the first few threads.
func (e *BusyError) Error() string {
	var list []string
	for i, b := range e.Blockers {
		if i == 4 {
			list = append(list, fmt.Sprintf("and %d more", len(e.Blockers)-i))
			break
		}
		list = append(list, b.String())
	}
	return e.Refusal.Error() + ": " + strings.Join(list, "; ")
}

// Unwrap returns the refusal.
func (e *BusyError) Unwrap() error { return e.Refusal }
