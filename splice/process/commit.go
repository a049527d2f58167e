//go:build linux && amd64

package process

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/gosplice/gosplice/internal/procfs"
	"github.com/gosplice/gosplice/internal/ptrace"
	"github.com/gosplice/gosplice/splice"
)

// write is a place that a redirection is written to, with what stood there.
type write struct {
	function string
	at       uint64
	orig     []byte
	of       *recordRedirect
}

// writes lists what the redirections of a record are written over, by address.
func (r *record) writes() []write {
	var out []write
	for i := range r.Redirects {
		d := &r.Redirects[i]
		out = append(out, write{d.Function, d.At, d.Orig, d})
		if p := d.Pad; p != nil {
			out = append(out, write{d.Function, p.At, p.Orig, d})
		}
	}
	slices.SortFunc(out, func(a, b write) int { return cmp.Compare(a.at, b.at) })
	return out
}

// put writes the redirection, direct or staged. What stands in padding comes first: nothing
// leads there yet, or what does leads on as before.
func (d *recordRedirect) put(mem *ptrace.Mem, direct bool) error {
	if d.gone {
		return nil
	}
	entry, pad := d.Staged, []byte(nil)
	if d.Pad != nil {
		pad = d.Pad.Staged
	}
	if direct {
		if entry = d.Direct; d.Pad != nil {
			pad = d.Pad.Direct
		}
	}
	if d.Pad != nil {
		if _, err := mem.WriteAddr(pad, d.Pad.At); err != nil {
			return err
		}
	}
	_, err := mem.WriteAddr(entry, d.At)
	return err
}

// take takes the redirection out. What stands in padding goes last, when nothing leads there.
func (d *recordRedirect) take(mem *ptrace.Mem) error {
	if d.gone {
		return nil
	}
	_, err := mem.WriteAddr(d.Orig, d.At)
	if err == nil && d.Pad != nil {
		_, err = mem.WriteAddr(d.Pad.Orig, d.Pad.At)
	}
	return err
}

// commit redirects the functions of a stopped process. See the package comment
// for why the order is what it is.
func commit(mem *ptrace.Mem, r *record) error {
	done, err := putAll(mem, r, len(r.Redirects) == 1)
	if err == nil && len(r.Redirects) > 1 {
		err = turnSlots(mem, r, func(d *recordRedirect) uint64 { return d.New })
	}
	if err != nil {
		for i := range r.Redirects[:min(done+1, len(r.Redirects))] {
			err = errors.Join(err, r.Redirects[i].take(mem))
		}
		return err
	}
	if len(r.Redirects) > 1 {
		// The new code runs. A jump that could not be made direct works all the
		// same.
		putAll(mem, r, true)
	}
	return nil
}

// putAll writes all redirections, and returns how many it wrote.
func putAll(mem *ptrace.Mem, r *record, direct bool) (int, error) {
	for i := range r.Redirects {
		d := &r.Redirects[i]
		if err := d.put(mem, direct); err != nil {
			return i, fmt.Errorf("redirect %s: %w", d.Function, err)
		}
	}
	return len(r.Redirects), nil
}

// sweep takes long jumps out of padding to which no entry leads, as a tool leaves them that
// was killed between two writes. What other updates have put there since stays.
func (r *record) sweep(mem *ptrace.Mem) error {
	for i := range r.Redirects {
		d := &r.Redirects[i]
		if d.Pad == nil || d.gone {
			continue
		}
		entry, err1 := readBytes(mem, d.At, len(d.Orig))
		pad, err2 := readBytes(mem, d.Pad.At, len(d.Pad.Orig))
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		if bytes.Equal(entry, d.Direct) || !bytes.Equal(pad, d.Pad.Direct) && !bytes.Equal(pad, d.Pad.Staged) {
			continue
		}
		if _, err := mem.WriteAddr(d.Pad.Orig, d.Pad.At); err != nil {
			return fmt.Errorf("padding of %s: %w", d.Function, err)
		}
	}
	return nil
}

// jumpsTo reports whether the bytes of a redirection are the jump to an address, of one form
// or another.
func (d *recordRedirect) jumpsTo(to uint64, entry []byte, pad func(*recordPad) []byte) bool {
	for long := splice.JmpRel32; long <= splice.JmpAbs64; long++ {
		if d.Pad == nil {
			if j, err := splice.Jump(long, d.At, to); err == nil && bytes.Equal(j.Bytes, entry) {
				return true
			}
			continue
		}
		if j, err := splice.HotJump(long, d.At, d.Pad.At, to); err == nil && bytes.Equal(j.Bytes, entry) && bytes.Equal(j.Pad.Bytes, pad(d.Pad)) {
			return true
		}
	}
	return false
}

// checkPad checks what of a redirection stands in padding.
func (d *recordRedirect) checkPad(r *record) error {
	p := d.Pad
	if p == nil {
		return nil
	}
	n := uint64(len(p.Orig))
	switch {
	case r.Format != paddedFormat:
		return fmt.Errorf("a jump in padding in format %d", r.Format)
	case len(p.Direct) != len(p.Orig), len(p.Staged) != len(p.Orig):
		return fmt.Errorf("%d bytes of padding", len(p.Orig))
	case p.At > 1<<48, p.At < r.End && p.At+n > r.Start:
		return fmt.Errorf("padding at %#x", p.At)
	}
	return nil
}

// trampoline describes the redirection.
func (d *recordRedirect) trampoline() *splice.Trampoline {
	long, size := splice.JmpRel32, len(d.Direct)
	if d.Pad != nil {
		size = len(d.Pad.Direct)
	}
	if size == int(splice.JmpAbs64.Size()) {
		long = splice.JmpAbs64
	}
	t := &splice.Trampoline{Form: long, At: d.At, To: d.New, Bytes: d.Direct}
	if d.Pad != nil {
		t.Form += splice.HotRel32 - splice.JmpRel32
		t.Pad = &splice.Trampoline{Form: long, At: d.Pad.At, To: d.New, Bytes: d.Pad.Direct}
	}
	return t
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

// checkWrites looks at what is mapped where the redirections of a record stand. A library may have been
// unmapped since (dlclose), and something else, or nothing, may be in its place: nothing is written there
// then, and the old code is as good as back. Records whose redirections overlap are none of ours.
func (r *record) checkWrites(maps []procfs.Mapping) error {
	for i := range r.Redirects {
		r.Redirects[i].gone = false
	}
	var last uint64
	for _, w := range r.writes() {
		if w.at < last {
			return fmt.Errorf("redirect %s: another one is at %#x", w.function, w.at)
		}
		last = w.at + uint64(len(w.orig))
		m := procfs.FindMapping(maps, w.at)
		if m == nil || !m.IsFile() || m.Perm&(procfs.Exec|procfs.Shared) != procfs.Exec || last > m.End {
			w.of.gone = true
		}
	}
	return nil
}

// standsGone says for a redirection whose code is gone whether it may come back: who makes code writable for
// a while, or moves it out of files, has our jump in it.
func (d *recordRedirect) standsGone(mem readerAt) State {
	b, err := readBytes(mem, d.At, len(d.Orig))
	if err == nil && (bytes.Equal(b, d.Direct) || bytes.Equal(b, d.Staged)) {
		return Foreign
	}
	return Kept
}
