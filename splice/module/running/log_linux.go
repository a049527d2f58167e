package running

import (
	"strings"

	"golang.org/x/sys/unix"
)

// A kernelLog is the kernel's log from a moment on; -1 is none.
type kernelLog int

// openLog returns the log from now on. Without the right to read it, it says nothing.
func (k *Kernel) openLog() kernelLog {
	fd, err := unix.Open(k.path("dev/kmsg"), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	if _, err := unix.Seek(fd, 0, unix.SEEK_END); err != nil {
		unix.Close(fd)
		return -1
	}
	return kernelLog(fd)
}

// maxSaid is how many lines of the log an error has.
const maxSaid = 8

// since returns what was logged, and closes the log.
func (l kernelLog) since() []string { return l.about("") }

// about is since for lines that begin with something. A read gives one record
// (Documentation/ABI/testing/dev-kmsg).
func (l kernelLog) about(prefix string) (lines []string) {
	if l < 0 {
		return nil
	}
	defer unix.Close(int(l))
	b := make([]byte, 8192)
	for len(lines) < maxSaid {
		n, err := unix.Read(int(l), b)
		if err != nil || n <= 0 {
			return lines
		}
		if s := message(string(b[:n])); s != "" && strings.HasPrefix(s, prefix) {
			lines = append(lines, s)
		}
	}
	return lines
}
