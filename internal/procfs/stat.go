package procfs

import "bytes"

// Stat holds what a tracer asks of /proc/PID/stat (proc_pid_stat(5)).
type Stat struct {
	PID   int
	Comm  string // raw, up to 15 bytes; may hold anything, parentheses included
	State byte
	Flags uint64 // PF_* of the kernel's include/linux/sched.h
	Start uint64 // start time in clock ticks since boot

	// StartBrk is the address above which the heap grows, 0 when the reader
	// may not trace the process.
	StartBrk uint64
}

// pfKthread is PF_KTHREAD, include/linux/sched.h, Linux 2.6.27 and later.
const pfKthread = 0x00200000

// IsKthread tells whether it is a thread of the kernel, which has no memory of
// its own.
func (s *Stat) IsKthread() bool { return s.Flags&pfKthread != 0 }

// pfWorker is PF_IO_WORKER, Linux 5.12 and later, and PF_USER_WORKER, 6.4 and later.
const pfWorker = 0x00000010 | 0x00004000

// MayBeWorker tells whether the thread may be one that the kernel has added to a process to work for
// it (io_uring, vhost): it has no registers, and never runs code of the process. Before Linux 6.4
// threads of the program may have the flag too.
func (s *Stat) MayBeWorker() bool { return s.Flags&pfWorker != 0 }

// IsDead tells whether the thread has ended but is not reaped.
func (s *Stat) IsDead() bool { return s.State == 'Z' || s.State == 'X' || s.State == 'x' }

// Fields of stat by their 1-based number in proc_pid_stat(5).
const (
	statState    = 3
	statFlags    = 9
	statStart    = 22
	statStartBrk = 47
)

// ParseStat parses the text of /proc/PID/stat. The command name stands between
// the first "(" and the last ")", since it may hold both. Errors are
// [*SyntaxError].
func ParseStat(b []byte) (*Stat, error) {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 1 || end < open {
		return nil, syntaxError(1, "no command name", b)
	}
	s := &Stat{Comm: string(b[open+1 : end])}
	if !setInt(&s.PID, bytes.TrimSpace(b[:open])) {
		return nil, syntaxError(1, "bad pid", b[:open])
	}
	rest := bytes.Fields(b[end+1:])
	field := func(n int) []byte {
		if i := n - statState; i < len(rest) {
			return rest[i]
		}
		return nil
	}
	state := field(statState)
	if len(state) != 1 {
		return nil, syntaxError(1, "bad state", state)
	}
	s.State = state[0]
	for _, f := range []struct {
		n   int
		dst *uint64
	}{{statFlags, &s.Flags}, {statStart, &s.Start}, {statStartBrk, &s.StartBrk}} {
		n, ok := parseUint(field(f.n), 10, 64)
		if !ok && f.n == statStartBrk && field(f.n) == nil {
			continue // before Linux 3.5
		}
		if !ok {
			return nil, syntaxError(1, "bad number", field(f.n))
		}
		*f.dst = n
	}
	return s, nil
}
