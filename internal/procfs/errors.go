package procfs

import (
	"errors"
	"fmt"
)

// ErrGone says that the process or thread does not exist (any more).
var ErrGone = errors.New("process is gone")

// ErrRecycled says that the pid now names another process than the one that
// was identified. It is an [ErrGone] as well.
var ErrRecycled = fmt.Errorf("pid belongs to another process now: %w", ErrGone)

// A FileError is an error about one file under /proc. It wraps [ErrGone] when
// the process has ended.
type FileError struct {
	File string // path, e.g. "/proc/42/maps"
	Line int    // 1-based, 0 when the error is about the whole file
	Err  error
}

func (e *FileError) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err)
	}
	return fmt.Sprintf("%s: %v", e.File, e.Err)
}

func (e *FileError) Unwrap() error { return e.Err }

// A SyntaxError is text that the kernel does not write.
type SyntaxError struct {
	Line int    // 1-based
	Text string // the offending piece, shortened
	Msg  string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("line %d: %s: %q", e.Line, e.Msg, e.Text)
}

// syntaxError shortens the text, because the input may be hostile and long.
func syntaxError(line int, msg string, text []byte) error {
	const limit = 80
	if len(text) > limit {
		text = text[:limit]
	}
	return &SyntaxError{Line: line, Text: string(text), Msg: msg}
}
