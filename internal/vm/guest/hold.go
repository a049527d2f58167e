//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"syscall"
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
	{"eventfd", alone(func() (int, error) { return eventfd(1, syscall.O_NONBLOCK) })},
	{"timerfd", openTimer},
	{"inotify", openInotify},
	{"memfd", alone(func() (int, error) { return memfd("held") })},
	{"pidfd", alone(func() (int, error) { return pidfd(os.Getpid()) })},
	{"pipe", openPipe},
	{"unix stream", openPair(syscall.SOCK_STREAM)},
	{"unix datagram", openPair(syscall.SOCK_DGRAM)},
	{"unix seqpacket", openPair(syscall.SOCK_SEQPACKET)},
	{"tcp", openSocket(syscall.AF_INET, syscall.SOCK_STREAM, 0)},
	{"udp", openSocket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)},
	{"tcp 6", openSocket(syscall.AF_INET6, syscall.SOCK_STREAM, 0)},
	{"udp 6", openSocket(syscall.AF_INET6, syscall.SOCK_DGRAM, 0)},
	{"raw", openSocket(syscall.AF_INET, syscall.SOCK_RAW, syscall.IPPROTO_ICMP)},
	{"route", openSocket(syscall.AF_NETLINK, syscall.SOCK_RAW, syscall.NETLINK_ROUTE)},
	{"generic netlink", openSocket(syscall.AF_NETLINK, syscall.SOCK_RAW, syscall.NETLINK_GENERIC)},
	{"audit", openSocket(syscall.AF_NETLINK, syscall.SOCK_RAW, syscall.NETLINK_AUDIT)},
	{"packet", openSocket(syscall.AF_PACKET, syscall.SOCK_RAW, 0)},
	{"terminal", alone(func() (int, error) {
		return syscall.Open("/dev/ptmx", syscall.O_RDWR|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	})},
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
	ep, err := syscall.EpollCreate1(0)
	if err != nil {
		return -1, -1, err
	}
	ev, err := eventfd(1, syscall.O_NONBLOCK)
	if err != nil {
		return ep, -1, err
	}
	return ep, ev, syscall.EpollCtl(ep, syscall.EPOLL_CTL_ADD, ev, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(ev)})
}

func openTimer() (int, int, error) {
	fd, err := timerfd(syscall.O_NONBLOCK)
	if err != nil {
		return -1, -1, err
	}
	tick := syscall.Timespec{Nsec: 1e7}
	return fd, -1, setTimer(fd, tick)
}

func openInotify() (int, int, error) {
	fd, err := syscall.InotifyInit1(syscall.IN_NONBLOCK)
	if err != nil {
		return -1, -1, err
	}
	_, err = syscall.InotifyAddWatch(fd, "/tmp", syscall.IN_CREATE)
	return fd, -1, err
}

func openPipe() (int, int, error) {
	var p [2]int
	err := syscall.Pipe2(p[:], syscall.O_NONBLOCK)
	return p[0], p[1], err
}

func openPair(kind int) func() (int, int, error) {
	return func() (int, int, error) {
		p, err := syscall.Socketpair(syscall.AF_UNIX, kind|syscall.SOCK_NONBLOCK, 0)
		return p[0], p[1], err
	}
}

func openSocket(family, kind, protocol int) func() (int, int, error) {
	return alone(func() (int, error) { return syscall.Socket(family, kind|syscall.SOCK_NONBLOCK, protocol) })
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
	fd, err := syscall.Open(name, syscall.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
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
		_, err := syscall.Write(h.peer, []byte("12345678"))
		fmt.Fprintf(b, "peer %s, ", word(err))
	}
	_, seek := syscall.Seek(h.fd, 0, 0)
	_, read := syscall.Read(h.fd, make([]byte, 256))
	stat := syscall.Fstat(h.fd, new(syscall.Stat_t))
	poll := pollIn(h.fd, 0)
	ioctl := inputQueue(h.fd)
	_, info := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", h.fd))
	fmt.Fprintf(b, "seek %s, read %s, stat %s, poll %s, ioctl %s, fdinfo %s", word(seek), word(read), word(stat), word(poll), word(ioctl), word(info))
	if h.name == "epoll" {
		n, err := syscall.EpollWait(h.fd, make([]syscall.EpollEvent, 1), 0)
		fmt.Fprintf(b, ", wait %d %s", n, word(err))
	}
	b.WriteByte('\n')
}

// word says what came of a call.
func word(err error) string {
	switch err {
	case nil:
		return "ok"
	case syscall.EAGAIN: // it depends on the moment
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
		syscall.Close(h.fd)
		if h.peer >= 0 {
			syscall.Close(h.peer)
		}
	}
	return nil, nil
}
