package procfs

import (
	"bytes"
	"strings"
)

// SeccompMode is the Seccomp line of /proc/PID/status (seccomp(2)).
type SeccompMode uint8

// The modes of seccomp.
const (
	SeccompDisabled SeccompMode = iota
	SeccompStrict
	SeccompFilter
)

// Status holds what a tracer asks of /proc/PID/status or of
// /proc/PID/task/TID/status (proc_pid_status(5)).
type Status struct {
	Name      string // command name, with the kernel's escapes
	State     byte   // R, S, D, T, t, Z, X, ...
	Tgid      int
	Pid       int // thread id when it is a thread's file
	PPid      int
	TracerPid int // thread id of the tracer, 0 for none

	UID         [4]uint32 // real, effective, saved, file system
	NSpid       []int     // pid in each pid namespace, outermost first; nil before Linux 4.1
	Threads     int
	Seccomp     SeccompMode // of this thread
	Pending     uint64      // signals that wait for the thread or the process, bit 0 for signal 1
	CoreDumping bool        // Linux 4.15
	Kthread     bool        // Linux 6.8; [Stat.IsKthread] knows for all kernels

	VmSize, VmData uint64 // that is mapped, and of that what counts against RLIMIT_DATA; bytes

	// ThreadFeatures are the words of x86_Thread_features, e.g. "shstk"
	// for an active shadow stack (Linux 6.6).
	ThreadFeatures []string
}

// HasFeature tells whether the thread has a feature such as "shstk".
func (s *Status) HasFeature(name string) bool {
	for _, f := range s.ThreadFeatures {
		if f == name {
			return true
		}
	}
	return false
}

// statusFields lists the lines that are read; all others are skipped. A field
// reports whether it understood the value.
var statusFields = map[string]func(s *Status, v []byte) bool{
	"Name":      func(s *Status, v []byte) bool { s.Name = string(v); return true },
	"State":     func(s *Status, v []byte) bool { return len(v) > 0 && setByte(&s.State, v[0]) },
	"Tgid":      func(s *Status, v []byte) bool { return setInt(&s.Tgid, v) },
	"Pid":       func(s *Status, v []byte) bool { return setInt(&s.Pid, v) },
	"PPid":      func(s *Status, v []byte) bool { return setInt(&s.PPid, v) },
	"TracerPid": func(s *Status, v []byte) bool { return setInt(&s.TracerPid, v) },
	"Threads":   func(s *Status, v []byte) bool { return setInt(&s.Threads, v) },
	"Uid": func(s *Status, v []byte) bool {
		f := bytes.Fields(v)
		if len(f) != len(s.UID) {
			return false
		}
		for i := range f {
			n, ok := parseUint(f[i], 10, 32)
			if !ok {
				return false
			}
			s.UID[i] = uint32(n)
		}
		return true
	},
	"NSpid": func(s *Status, v []byte) bool {
		for _, f := range bytes.Fields(v) {
			var n int
			if !setInt(&n, f) {
				return false
			}
			s.NSpid = append(s.NSpid, n)
		}
		return true
	},
	"Seccomp": func(s *Status, v []byte) bool {
		n, ok := parseUint(v, 10, 8)
		s.Seccomp = SeccompMode(n)
		return ok
	},
	"VmSize":      func(s *Status, v []byte) bool { return setKiB(&s.VmSize, v) },
	"VmData":      func(s *Status, v []byte) bool { return setKiB(&s.VmData, v) },
	"SigPnd":      func(s *Status, v []byte) bool { return addBits(&s.Pending, v) },
	"ShdPnd":      func(s *Status, v []byte) bool { return addBits(&s.Pending, v) },
	"CoreDumping": func(s *Status, v []byte) bool { return setBool(&s.CoreDumping, v) },
	"Kthread":     func(s *Status, v []byte) bool { return setBool(&s.Kthread, v) },
	"x86_Thread_features": func(s *Status, v []byte) bool {
		s.ThreadFeatures = strings.Fields(string(v))
		return true
	},
}

func setByte(p *byte, b byte) bool { *p = b; return true }

func setInt(p *int, v []byte) bool {
	n, ok := parseUint(v, 10, 31)
	*p = int(n)
	return ok
}

// setKiB reads a size such as "2040 kB".
func setKiB(p *uint64, v []byte) bool {
	n, ok := parseUint(bytes.TrimSuffix(v, []byte(" kB")), 10, 54)
	*p = n << 10
	return ok
}

func addBits(p *uint64, v []byte) bool {
	n, ok := parseUint(v, 16, 64)
	*p |= n
	return ok
}

func setBool(p *bool, v []byte) bool {
	*p = len(v) == 1 && v[0] == '1'
	return len(v) == 1 && (v[0] == '0' || v[0] == '1')
}

// ParseStatus parses the text of /proc/PID/status. Lines that it does not know
// are skipped. A missing State, Tgid or Pid, or a repeated line, is an error
// ([*SyntaxError]).
func ParseStatus(b []byte) (*Status, error) {
	s := new(Status)
	seen := make(map[string]bool, len(statusFields))
	for line := 1; len(b) > 0; line++ {
		text, rest, _ := bytes.Cut(b, []byte("\n"))
		b = rest
		key, value, ok := bytes.Cut(text, []byte(":"))
		if !ok {
			return nil, syntaxError(line, "no colon", text)
		}
		set, known := statusFields[string(key)]
		if !known {
			continue
		}
		if seen[string(key)] {
			return nil, syntaxError(line, "repeated line", text)
		}
		seen[string(key)] = true
		if !set(s, bytes.TrimSpace(value)) {
			return nil, syntaxError(line, "bad value", text)
		}
	}
	for _, key := range []string{"State", "Tgid", "Pid"} {
		if !seen[key] {
			return nil, syntaxError(0, "missing line", []byte(key))
		}
	}
	return s, nil
}
