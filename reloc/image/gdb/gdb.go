// Package gdb opens the kernel of a guest through the port for debuggers of its machine, as
// an image that pre can be matched with.
package gdb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gosplice/gosplice/internal/gdbserial"
	"github.com/gosplice/gosplice/reloc/image"
)

// Open opens the kernel of a guest through the port for debuggers of its
// machine, such as that of QEMU's option -gdb: "unix:PATH", "tcp:HOST:PORT" or
// "HOST:PORT". symbols is the path of the kernel's vmlinux or vmlinuz, or of a
// text like System.map; how far KASLR moved the kernel is found out by its
// build-id, and the error wraps [image.ErrNoKernel] when it isn't there.
//
// The guest stands still until the image is closed, so that all of it is of one
// moment. It may be let run for moments while the image is opened, when no
// processor has the kernel's memory mapped: with page table isolation, those that
// run a program have not.
//
// ctx ends the connection when it is done; what is read then fails.
func Open(ctx context.Context, address, symbols string) (*image.Image, error) {
	f, err := image.ReadKernelSymbols(symbols) // before a guest is stopped for it
	if err != nil {
		return nil, err
	}
	c, err := gdbserial.Dial(ctx, address)
	if err != nil {
		return nil, err
	}
	img, err := find(c, address, f)
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("%s: %w", address, err)
	}
	return img, nil
}

// How often the guest is let run before it is given up to find the kernel mapped.
const (
	tries = 40
	pause = 5 * time.Millisecond
)

func find(c *gdbserial.Client, address string, f *image.KernelSymbols) (*image.Image, error) {
	mem := memory{c}
	for try := 0; ; try++ {
		threads, err := c.Threads()
		if err != nil && !errors.As(err, new(*gdbserial.Error)) {
			return nil, err
		}
		if len(threads) == 0 {
			threads = []string{"0"} // any
		}
		for _, id := range threads {
			if err := c.Select(id); err != nil {
				return nil, err
			}
			img, err := f.NewImage(mem, address)
			if err == nil {
				return img, nil
			}
			if !errors.Is(err, image.ErrNoKernel) || try == tries {
				return nil, err
			}
		}
		if err := c.Resume(pause); err != nil {
			return nil, err
		}
	}
}

// memory is memory that a stub reads.
type memory struct{ c *gdbserial.Client }

// Close ends the connection; the guest runs on.
func (m memory) Close() error { return m.c.Close() }

// ReadAddr implements [image.Memory].
func (m memory) ReadAddr(p []byte, addr uint64) error {
	n, err := m.c.ReadMemory(p, addr)
	if err != nil {
		return &image.AddrError{Addr: addr + uint64(n), Len: len(p) - n, Err: err}
	}
	return nil
}
