//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"syscall"

	"github.com/gosplice/gosplice/internal/vm/wire"
)

// port is the connection to the host: a virtio serial port. It is read and
// written with plain blocking system calls, since the driver reports a host that
// has not connected yet as an end of file, which package os would take for good.
type port struct {
	fd        int
	connected bool // the host was seen at the other end
}

// openPort waits for the port to appear: the driver makes it once the device
// has answered.
func openPort() (*port, error) {
	for range 1000 {
		names, err := filepath.Glob("/sys/class/virtio-ports/*/name")
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if b, err := os.ReadFile(name); err != nil || strings.TrimSpace(string(b)) != wire.PortName {
				continue
			}
			dev := "/dev/" + filepath.Base(filepath.Dir(name))
			fd, err := syscall.Open(dev, syscall.O_RDWR|syscall.O_CLOEXEC, 0)
			if errors.Is(err, syscall.ENOENT) {
				break // devtmpfs follows sysfs
			}
			if err != nil {
				return nil, fmt.Errorf("open %s: %w", dev, err)
			}
			return &port{fd: fd}, nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return nil, fmt.Errorf("no virtio serial port is named %q", wire.PortName)
}

// Read reads what there is, at least one byte. It returns [io.EOF] when the
// host has hung up.
func (p *port) Read(b []byte) (int, error) {
	for {
		n, err := syscall.Read(p.fd, b)
		switch {
		case err == syscall.EINTR || err == syscall.EAGAIN:
		case err != nil:
			return 0, fmt.Errorf("read from the host: %w", err)
		case n > 0:
			p.connected = true
			return n, nil
		case p.connected || len(b) == 0:
			return 0, io.EOF
		default:
			time.Sleep(5 * time.Millisecond)
		}
	}
}

// Write writes all of b; the driver takes 32 KiB at a time.
func (p *port) Write(b []byte) (int, error) {
	for done := 0; done < len(b); {
		n, err := syscall.Write(p.fd, b[done:])
		if err != nil && err != syscall.EINTR && err != syscall.EAGAIN {
			return done, fmt.Errorf("write to the host: %w", err)
		}
		done += max(n, 0)
	}
	return len(b), nil
}
