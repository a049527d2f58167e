//go:build linux

package main

import (
	"fmt"
	"os"
	"os/signal"
	"sync"

	"syscall"

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
		k.fd, k.err = syscall.Open("/dev/kmsg", syscall.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
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
		if err := pollIn(g.kmsg.fd, -1); err != nil && err != syscall.EINTR {
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
		n, err := syscall.Read(k.fd, k.buf[:])
		switch {
		case err == syscall.EINTR:
		case err == syscall.EPIPE: // the next read goes on behind the gap
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
	signal.Notify(died, syscall.SIGCHLD)
	for range died {
		for g.reapOne() {
		}
	}
}

func (g *guest) reapOne() bool {
	g.mu.Lock() // nobody starts a process in between
	defer g.mu.Unlock()
	pid, err := died()
	if err != nil || pid == 0 || g.kids[pid] {
		return false // one that is waited for may hide an orphan until the next signal
	}
	_, err = syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
	return err == nil
}
