package procfs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// ErrEventsLost says that events came faster than they were read.
var ErrEventsLost = errors.New("events of processes were lost")

// ExecEvents tells of each program that is executed on the machine, in the process that executed it,
// until ctx is done, with the error of that. It needs CAP_NET_ADMIN and the first PID namespace, and
// a kernel with CONFIG_PROC_EVENTS. ready is called when events are told of; tell is not to take
// long. An error that is [ErrEventsLost] is told of by lost, and it goes on.
func ExecEvents(ctx context.Context, ready func(), tell func(ExecEvent), lost func()) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_CONNECTOR)
	if err != nil {
		return fmt.Errorf("events of processes: %w", err)
	}
	defer unix.Close(fd)
	const room = 8 << 20 // bytes for events that wait to be read
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, room) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, room)
	}
	wake := unix.NsecToTimeval(int64(100 * time.Millisecond)) // to look at the context
	for _, err := range []error{
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wake),
		unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: cnIdxProc}),
		unix.Sendto(fd, listenMessage(), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}),
	} {
		if err != nil {
			return fmt.Errorf("events of processes: %w", err)
		}
	}
	ready()
	b := make([]byte, connectorMax)
	for ctx.Err() == nil {
		n, from, err := unix.Recvfrom(fd, b, 0)
		switch {
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ENOBUFS):
			lost()
			continue
		case err != nil:
			return fmt.Errorf("events of processes: %w", err)
		}
		if k, ok := from.(*unix.SockaddrNetlink); !ok || k.Pid != 0 {
			continue // not from the kernel
		}
		for _, e := range parseExecEvents(b[:n]) {
			tell(e)
		}
	}
	return ctx.Err()
}
