//go:build linux && amd64

package process

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/gosplice/gosplice/internal/ptrace"
)

// commit redirects the functions of a stopped process. See the package comment
// for why the order is what it is.
func commit(mem *ptrace.Mem, r *record) error {
	if len(r.Redirects) == 1 {
		_, err := mem.WriteAddr(r.Redirects[0].Direct, r.Redirects[0].At)
		return err
	}
	done, err := writeAll(mem, r, func(d *recordRedirect) []byte { return d.Staged })
	if err == nil {
		err = turnSlots(mem, r, func(d *recordRedirect) uint64 { return d.New })
	}
	if err != nil {
		for _, d := range r.Redirects[:done] {
			_, undo := mem.WriteAddr(d.Orig, d.At)
			err = errors.Join(err, undo)
		}
		return err
	}
	// The new code runs. A jump that could not be made direct works all the
	// same.
	writeAll(mem, r, func(d *recordRedirect) []byte { return d.Direct })
	return nil
}

// writeAll writes one form of all trampolines, and returns how many it wrote.
func writeAll(mem *ptrace.Mem, r *record, form func(*recordRedirect) []byte) (int, error) {
	for i := range r.Redirects {
		d := &r.Redirects[i]
		if _, err := mem.WriteAddr(form(d), d.At); err != nil {
			return i, fmt.Errorf("redirect %s: %w", d.Function, err)
		}
	}
	return len(r.Redirects), nil
}

// turnSlots gives all slots new content in one write: they share a page.
func turnSlots(mem *ptrace.Mem, r *record, to func(*recordRedirect) uint64) error {
	var b []byte
	for i := range r.Redirects {
		b = binary.LittleEndian.AppendUint64(b, to(&r.Redirects[i]))
	}
	_, err := mem.WriteAddr(b, r.Redirects[0].Slot)
	return err
}
