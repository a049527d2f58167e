//go:build linux

package main

import (
	"fmt"
	"os"
	"os/signal"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/gosplice/gosplice/internal/vm/wire"
)

// kmsg reads the kernel log from boot on.
type kmsg struct {
	once sync.Once
	mu   sync.Mutex // records are sent in order
	fd   int
	err  error
	buf  [16 << 10]byte // a record has less than 8 KiB
}

func (k *kmsg) open() error {
	k.once.Do(func() {
		k.fd, k.err = unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	})
	return k.err
}

// followLog sends the log as it grows, before the kernel overwrites it.
func (g *guest) followLog() {
	if err := g.kmsg.open(); err != nil {
		fmt.Fprintf(os.Stderr, "gosplice guest: open /dev/kmsg: %v\n", err)
		return
	}
	for {
		fds := []unix.PollFd{{Fd: int32(g.kmsg.fd), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, -1); err != nil && err != unix.EINTR {
			fmt.Fprintf(os.Stderr, "gosplice guest: poll /dev/kmsg: %v\n", err)
			return
		}
		g.drainLog()
	}
}

// drainLog sends every record that there is now.
func (g *guest) drainLog() {
	k := &g.kmsg
	if k.open() != nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for {
		n, err := unix.Read(k.fd, k.buf[:])
		switch {
		case err == unix.EINTR:
		case err == unix.EPIPE: // the next read goes on behind the gap
			g.sendLog(wire.Lost)
		case err != nil || n == 0:
			return // EAGAIN: that was all
		default:
			g.sendLog(wire.Log, k.buf[:n])
		}
	}
}

func (g *guest) sendLog(op wire.Op, fields ...[]byte) {
	if err := g.send(&wire.Message{Op: op, Fields: fields}); err != nil {
		fmt.Fprintf(os.Stderr, "gosplice guest: send log: %v\n", err)
	}
}

// reap waits for orphans, which are init's to bury, and leaves alone the
// processes for which a request waits.
func (g *guest) reap() {
	died := make(chan os.Signal, 16)
	signal.Notify(died, unix.SIGCHLD)
	for range died {
		for g.reapOne() {
		}
	}
}

// siginfo is siginfo_t of a SIGCHLD on x86-64: the pid stands 16 bytes in, after
// signal, errno, code and padding, and the structure has 128.
type siginfo struct {
	_   [4]int32
	pid int32
	_   [108]byte
}

func (g *guest) reapOne() bool {
	g.mu.Lock() // nobody starts a process in between
	defer g.mu.Unlock()
	var info siginfo
	err := unix.Waitid(unix.P_ALL, 0, (*unix.Siginfo)(unsafe.Pointer(&info)), unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	if err != nil || info.pid == 0 || g.kids[int(info.pid)] {
		return false // one that is waited for may hide an orphan until the next signal
	}
	_, err = unix.Wait4(int(info.pid), nil, unix.WNOHANG, nil)
	return err == nil
}
