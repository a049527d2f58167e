package vm

import (
	"context"
	"fmt"
	"strings"

	"github.com/gosplice/gosplice/internal/vm/wire"
)

// Held is what is open in the guest: files of proc, sysfs and devices, sockets, timers,
// an epoll, and more. The kernel keeps the addresses of their operations, so that an
// update that replaced one of those, and is gone, is found by using them.
type Held struct {
	m      *Machine
	set    []byte            // its number
	before map[string]string // what came of using each
}

// Hold opens one of each, and uses each twice: what does not do the same both times is
// left out of what [Held.Touch] compares.
func (m *Machine) Hold(ctx context.Context) (*Held, error) {
	f, err := m.do(ctx, "hold", "", wire.Hold)
	if err != nil {
		return nil, err
	}
	h := &Held{m: m, set: f[0]}
	first, err := h.use(ctx)
	if err != nil {
		return nil, err
	}
	if h.before, err = h.use(ctx); err != nil {
		return nil, err
	}
	for name, got := range first {
		if h.before[name] != got {
			delete(h.before, name)
		}
	}
	return h, nil
}

// Len returns the number of things that do the same each time.
func (h *Held) Len() int { return len(h.before) }

// Touch uses everything. The error names what did something else than before.
func (h *Held) Touch(ctx context.Context) error {
	now, err := h.use(ctx)
	if err != nil {
		return err
	}
	for name, want := range h.before {
		if got := now[name]; got != want {
			return fmt.Errorf("%s, held open: %s, and before: %s", name, got, want)
		}
	}
	return nil
}

// Use uses everything, whatever comes of it.
func (h *Held) Use(ctx context.Context) error {
	_, err := h.use(ctx)
	return err
}

// Release closes everything.
func (h *Held) Release(ctx context.Context) error {
	_, err := h.m.do(ctx, "release", "", wire.Release, h.set)
	return err
}

func (h *Held) use(ctx context.Context) (map[string]string, error) {
	f, err := h.m.do(ctx, "touch", "", wire.Touch, h.set)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for line := range strings.Lines(string(f[0])) {
		name, what, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		out[name] = what
	}
	return out, nil
}
