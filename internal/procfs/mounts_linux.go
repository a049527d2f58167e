package procfs

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Overlays lists where overlay file systems are mounted, as a process sees it, by paths that lead there from
// our mounts.
func Overlays(pid int) ([]string, error) {
	file := Path(pid, "mountinfo")
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fileError(file, err)
	}
	list := overlays(b)
	for i := range list {
		list[i] = Path(pid, "root") + list[i]
	}
	return list, nil
}

// overlays reads mountinfo (proc(5)).
func overlays(b []byte) []string {
	var out []string
	for line := range bytes.Lines(b) {
		mount, kind, ok := strings.Cut(string(line), " - ")
		fields := strings.Fields(mount)
		if ok && len(fields) >= 5 && strings.HasPrefix(kind, "overlay ") {
			out = append(out, unescape(fields[4]))
		}
	}
	return out
}

// unescape reads the octal numbers that stand for spaces and the like in names of mounts.
func unescape(s string) string {
	var b strings.Builder
	for {
		head, rest, ok := strings.Cut(s, `\`)
		b.WriteString(head)
		if !ok {
			return b.String()
		}
		if n, err := strconv.ParseUint(rest[:min(3, len(rest))], 8, 8); err == nil && len(rest) >= 3 {
			b.WriteByte(byte(n))
			s = rest[3:]
		} else {
			b.WriteByte('\\')
			s = rest
		}
	}
}

// MountSpace names the mount namespace of a process.
func MountSpace(pid int) (string, error) {
	file := Path(pid, "ns", "mnt")
	name, err := os.Readlink(file)
	return name, fileError(file, err)
}

// WatchMounts tells whenever something was mounted or unmounted in our mount namespace, until ctx is
// done, with the error of that.
func WatchMounts(ctx context.Context, changed func()) error {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return fmt.Errorf("watch mounts: %w", err)
	}
	defer f.Close()
	const look = 100 * time.Millisecond // at the context
	for ctx.Err() == nil {
		fds := []unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLPRI}}
		switch n, err := unix.Poll(fds, int(look.Milliseconds())); {
		case err == unix.EINTR:
		case err != nil:
			return fmt.Errorf("watch mounts: %w", err)
		case n > 0:
			changed()
		}
	}
	return ctx.Err()
}
