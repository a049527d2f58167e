//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A held thing is a descriptor that stays open while updates come and go: the kernel
// has the addresses of its operations.
type held struct {
	name string
	fd   int
	peer int // the other end; -1 when there is none
}

// holders open things of many kinds. One that this kernel does not have is left out.
var holders = []struct {
	name string
	open func() (fd, peer int, err error)
}{
	{"epoll", openEpoll},
	{"eventfd", alone(func() (int, error) { return unix.Eventfd(1, unix.EFD_NONBLOCK) })},
	{"timerfd", openTimer},
	{"inotify", openInotify},
	{"memfd", alone(func() (int, error) { return unix.MemfdCreate("held", 0) })},
	{"pidfd", alone(func() (int, error) { return unix.PidfdOpen(os.Getpid(), 0) })},
	{"pipe", openPipe},
	{"unix stream", openPair(unix.SOCK_STREAM)},
	{"unix datagram", openPair(unix.SOCK_DGRAM)},
	{"unix seqpacket", openPair(unix.SOCK_SEQPACKET)},
	{"tcp", openSocket(unix.AF_INET, unix.SOCK_STREAM, 0)},
	{"udp", openSocket(unix.AF_INET, unix.SOCK_DGRAM, 0)},
	{"tcp 6", openSocket(unix.AF_INET6, unix.SOCK_STREAM, 0)},
	{"udp 6", openSocket(unix.AF_INET6, unix.SOCK_DGRAM, 0)},
	{"raw", openSocket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP)},
	{"route", openSocket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE)},
	{"generic netlink", openSocket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_GENERIC)},
	{"audit", openSocket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_AUDIT)},
	{"packet", openSocket(unix.AF_PACKET, unix.SOCK_RAW, 0)},
	{"terminal", alone(func() (int, error) { return unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NONBLOCK|unix.O_NOCTTY, 0) })},
}

// heldFiles are patterns of files that are held as well. None waits for an event, or
// does something when it is read.
var heldFiles = []string{
	"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/loop0", "/dev/rtc0",
	"/proc/[a-j]*", "/proc/[l-z]*", "/proc/net/*", "/proc/self/[a-z]*", "/proc/sys/kernel/*", "/proc/sys/vm/*", "/proc/sys/fs/*", "/proc/sys/net/ipv4/*",
	"/sys/kernel/*", "/sys/kernel/mm/*/*", "/sys/module/*/parameters/*", "/sys/class/*/*/uevent", "/sys/devices/system/cpu/*", "/sys/fs/cgroup/*",
	"/sys/kernel/debug/*", "/sys/kernel/tracing/available_*", "/tmp",
}

const maxHeld = 450 // in a set; the usual limit is 1,024 descriptors

func alone(open func() (int, error)) func() (int, int, error) {
	return func() (int, int, error) {
		fd, err := open()
		return fd, -1, err
	}
}

// openEpoll has an epoll watch an event counter that is ready.
func openEpoll() (int, int, error) {
	ep, err := unix.EpollCreate1(0)
	if err != nil {
		return -1, -1, err
	}
	ev, err := unix.Eventfd(1, unix.EFD_NONBLOCK)
	if err != nil {
		return ep, -1, err
	}
	return ep, ev, unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, ev, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(ev)})
}

func openTimer() (int, int, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK)
	if err != nil {
		return -1, -1, err
	}
	tick := unix.Timespec{Nsec: 1e7}
	return fd, -1, unix.TimerfdSettime(fd, 0, &unix.ItimerSpec{Interval: tick, Value: tick}, nil)
}

func openInotify() (int, int, error) {
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK)
	if err != nil {
		return -1, -1, err
	}
	_, err = unix.InotifyAddWatch(fd, "/tmp", unix.IN_CREATE)
	return fd, -1, err
}

func openPipe() (int, int, error) {
	var p [2]int
	err := unix.Pipe2(p[:], unix.O_NONBLOCK)
	return p[0], p[1], err
}

func openPair(kind int) func() (int, int, error) {
	return func() (int, int, error) {
		p, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_NONBLOCK, 0)
		return p[0], p[1], err
	}
}

func openSocket(family, kind, protocol int) func() (int, int, error) {
	return alone(func() (int, error) { return unix.Socket(family, kind|unix.SOCK_NONBLOCK, protocol) })
}

// hold opens one of each, and answers with the number of the set.
func (g *guest) hold(context.Context, [][]byte) ([][]byte, error) {
	var set []held
	for _, h := range holders {
		if fd, peer, err := h.open(); err == nil {
			set = append(set, held{h.name, fd, peer})
		}
	}
	for _, pattern := range heldFiles {
		names, err := filepath.Glob(pattern)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if len(set) < maxHeld {
				set = holdFile(set, name)
			}
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sets++
	g.held[g.sets] = set
	return [][]byte{strconv.AppendInt(nil, int64(g.sets), 10)}, nil
}

func holdFile(set []held, name string) []held {
	if st, err := os.Stat(name); err != nil || st.Mode()&os.ModeNamedPipe != 0 {
		return set
	}
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return set
	}
	return append(set, held{name, fd, -1})
}

// set returns a set by its number.
func (g *guest) set(f [][]byte) (int, []held, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	n, err := strconv.Atoi(string(f[0]))
	if err != nil {
		return 0, nil, err
	}
	return n, g.held[n], nil
}

// touch uses each held thing in several ways, and says what came of it. What differs
// from one time to the next although nothing was changed, such as sizes, is not told.
func (g *guest) touch(_ context.Context, f [][]byte) ([][]byte, error) {
	_, set, err := g.set(f)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	for _, h := range set {
		h.touch(&b)
	}
	return [][]byte{[]byte(b.String())}, nil
}

func (h *held) touch(b *strings.Builder) {
	fmt.Fprintf(b, "%s: ", h.name)
	if h.peer >= 0 {
		_, err := unix.Write(h.peer, []byte("12345678"))
		fmt.Fprintf(b, "peer %s, ", word(err))
	}
	_, seek := unix.Seek(h.fd, 0, 0)
	_, read := unix.Read(h.fd, make([]byte, 256))
	stat := unix.Fstat(h.fd, new(unix.Stat_t))
	_, poll := unix.Poll([]unix.PollFd{{Fd: int32(h.fd), Events: unix.POLLIN}}, 0)
	_, ioctl := unix.IoctlGetInt(h.fd, unix.TIOCINQ)
	_, info := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", h.fd))
	fmt.Fprintf(b, "seek %s, read %s, stat %s, poll %s, ioctl %s, fdinfo %s", word(seek), word(read), word(stat), word(poll), word(ioctl), word(info))
	if h.name == "epoll" {
		n, err := unix.EpollWait(h.fd, make([]unix.EpollEvent, 1), 0)
		fmt.Fprintf(b, ", wait %d %s", n, word(err))
	}
	b.WriteByte('\n')
}

// word says what came of a call.
func word(err error) string {
	switch err {
	case nil:
		return "ok"
	case unix.EAGAIN: // it depends on the moment
		return "ok"
	}
	return err.Error()
}

// release closes a set.
func (g *guest) release(_ context.Context, f [][]byte) ([][]byte, error) {
	n, set, err := g.set(f)
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	delete(g.held, n)
	g.mu.Unlock()
	for _, h := range set {
		unix.Close(h.fd)
		if h.peer >= 0 {
			unix.Close(h.peer)
		}
	}
	return nil, nil
}
