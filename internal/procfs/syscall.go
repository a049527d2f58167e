package procfs

import (
	"bytes"
	"errors"
)

// A TaskCall is where a thread has entered the kernel.
type TaskCall struct {
	Line   string // as the kernel prints it, the same as long as the thread stays there
	SP, PC uint64 // of the user's code
}

var errBadCall = errors.New("neither a system call nor -1")

// parseTaskCall parses "running", "-1 SP PC", or "NR ARG... SP PC" with six
// arguments.
func parseTaskCall(b []byte) (TaskCall, error) {
	f := bytes.Fields(b)
	if len(f) == 1 {
		return TaskCall{}, nil
	}
	if len(f) != 3 && len(f) != 9 {
		return TaskCall{}, errBadCall
	}
	c := TaskCall{Line: string(b)}
	for i, to := range []*uint64{&c.SP, &c.PC} {
		v, ok := parseUint(bytes.TrimPrefix(f[len(f)-2+i], []byte("0x")), 16, 64)
		if !ok {
			return TaskCall{}, errBadCall
		}
		*to = v
	}
	return c, nil
}
