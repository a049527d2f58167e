package reloc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gosplice/gosplice/internal/gdbserial"
)

// OpenGDB opens the kernel of a guest through the port for debuggers of its
// machine, such as that of QEMU's option -gdb: "unix:PATH", "tcp:HOST:PORT" or
// "HOST:PORT". symbols is the path of the kernel's vmlinux or vmlinuz, or of a
// text like System.map; how far KASLR moved the kernel is found out by its
// build-id, and the error wraps [ErrNoKernel] when it isn't there.
//
// The guest stands still until the image is closed, so that all of it is of one
// moment. It may be let run for moments while the image is opened, when no
// processor has the kernel's memory mapped: with page table isolation, those that
// run a program have not.
//
// ctx ends the connection when it is done; what is read then fails.
func OpenGDB(ctx context.Context, address, symbols string) (*Image, error) {
	f, err := readSymbolFile(symbols)
	if err != nil {
		return nil, err
	}
	if _, err := f.marks(); err != nil { // before a guest is stopped for it
		return nil, fmt.Errorf("%s: %w", symbols, err)
	}
	c, err := gdbserial.Dial(ctx, address)
	if err != nil {
		return nil, err
	}
	img, err := newGDB(c, address, f)
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("%s: %w", address, err)
	}
	return img, nil
}

// How often the guest is let run before it is given up to find the kernel mapped.
const (
	gdbTries = 40
	gdbPause = 5 * time.Millisecond
)

func newGDB(c *gdbserial.Client, address string, f *symbolFile) (*Image, error) {
	mem := gdbMemory{c}
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
			img, err := newKernelMemory(mem, f, address, nil)
			if err == nil {
				img.closers = append(img.closers, c)
				return img, nil
			}
			if !errors.Is(err, ErrNoKernel) || try == gdbTries {
				return nil, err
			}
		}
		if err := c.Resume(gdbPause); err != nil {
			return nil, err
		}
	}
}

// gdbMemory is memory that a stub reads.
type gdbMemory struct{ c *gdbserial.Client }

// ReadAddr implements [Memory].
func (m gdbMemory) ReadAddr(p []byte, addr uint64) error {
	n, err := m.c.ReadMemory(p, addr)
	if err != nil {
		return &AddrError{Addr: addr + uint64(n), Len: len(p) - n, Err: err}
	}
	return nil
}
