package procfs

import (
	"context"
	"fmt"
	"os"
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
