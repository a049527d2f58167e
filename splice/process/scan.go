//go:build linux && amd64

package process

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/gosplice/gosplice/internal/procfs"
	"github.com/gosplice/gosplice/internal/ptrace"
	"github.com/gosplice/gosplice/splice"
)

// redZone is the stack below the stack pointer that belongs to the running
// function (psABI section 3.2.2).
const redZone = 128

// Offsets in what the kernel pushes for a signal handler, from its return
// address: struct rt_sigframe and ucontext of Linux 6.1,
// arch/x86/include/asm/sigframe.h and include/uapi/asm/sigcontext.h.
const (
	sigframeRSP = 8 + 40 + 15*8
	sigframeEnd = 8 + 40 + 23*8
)

// maxStacks bounds how many stacks a thread may be on at once, by signal
// handlers on alternate stacks.
const maxStacks = 8

// scan takes every word of the stack from sp on for a return address. What it
// finds may be stale; what it does not find is not there. Where a signal
// handler may have come from another stack, that one is scanned as well.
func (s *stacks) scan(t *ptrace.Thread, sp uint64) (*Blocker, error) {
	if _, err := s.mappings(); err != nil {
		return nil, err
	}
	todo, done := []uint64{(sp - redZone) &^ 7}, []extent(nil)
	for n := 0; len(todo) > 0; n++ {
		sp, todo = todo[0], todo[1:]
		if n == maxStacks {
			return nil, fmt.Errorf("thread %d: more than %d stacks", t.TID, maxStacks)
		}
		b, err := s.stack(t, sp)
		if err != nil {
			return nil, err
		}
		sp = max(sp, b.addr)
		done = append(done, extent{sp, b.addr + uint64(len(b.bytes))})
		for at := sp; at+8 <= done[len(done)-1][1]; at += 8 {
			w := b.word(at)
			if a := s.either(w); a != nil {
				return &Blocker{TID: t.TID, Function: a.name, Addr: w, Frame: -1}, nil
			}
			if !s.isRestorer(w) || b.addr+uint64(len(b.bytes))-at < sigframeEnd {
				continue
			}
			if from := b.word(at+sigframeRSP) &^ 7; !scanned(done, from) && procfs.FindMapping(s.maps, from) != nil {
				todo = append(todo, from-redZone)
			}
		}
	}
	return nil, nil
}

func scanned(done []extent, sp uint64) bool {
	for _, d := range done {
		if d.contains(sp) {
			return true
		}
	}
	return false
}

// either returns the area that a word may lead into, as an address that was
// interrupted or as a return address.
func (s *stacks) either(w uint64) *area {
	if a := s.at(w, true); a != nil {
		return a
	}
	return s.at(w, false)
}

// isRestorer reports whether a word may be the return address of a signal
// handler: code that calls rt_sigreturn, mov $15,%rax or %eax; syscall.
func (s *stacks) isRestorer(w uint64) bool {
	m := procfs.FindMapping(s.maps, w)
	if m == nil || m.Perm&procfs.Exec == 0 {
		return false
	}
	if known, ok := s.restorers[w]; ok {
		return known
	}
	b := make([]byte, min(9, m.End-w))
	_, err := s.mem.ReadAddr(b, w)
	is := err == nil && (string(b) == "\x48\xc7\xc0\x0f\x00\x00\x00\x0f\x05" || len(b) >= 7 && string(b[:7]) == "\xb8\x0f\x00\x00\x00\x0f\x05")
	s.restorers[w] = is
	return is
}

// stackBytes is a part of a stack.
type stackBytes struct {
	addr  uint64
	bytes []byte
}

func (b *stackBytes) word(at uint64) uint64 {
	return binary.LittleEndian.Uint64(b.bytes[at-b.addr:])
}

// maxStack bounds how much of a stack is read: more than that is not searched
// while a process is stopped.
const maxStack = 256 << 20

// stack reads the stack of a thread from sp to its end: that of its mapping,
// the first page that can't be read, which guards another stack, or the thread
// control block, which glibc puts on top of the stacks that it makes.
func (s *stacks) stack(t *ptrace.Thread, sp uint64) (*stackBytes, error) {
	m := procfs.FindMapping(s.maps, sp)
	if m == nil {
		// The red zone may reach out of the mapping.
		sp += redZone
		if m = procfs.FindMapping(s.maps, sp); m == nil {
			return nil, fmt.Errorf("thread %d: no stack at %#x", t.TID, sp)
		}
		sp = m.Start
	}
	end := m.End
	if fs := t.Regs.Fs_base; fs > sp && fs < end {
		end = fs
	}
	if end-sp > maxStack {
		return nil, splice.Refuse(splice.CodeBusy, "", "", sp, "thread %d has %d MiB of stack, and it can't be unwound", t.TID, (end-sp)>>20)
	}
	const step = 1 << 20
	out := &stackBytes{addr: sp}
	for sp < end {
		n := min(step, end-sp)
		old := len(out.bytes)
		out.bytes = append(out.bytes, make([]byte, n)...)
		got, err := s.mem.mem.ReadAddr(out.bytes[old:], sp)
		if err != nil {
			out.bytes = out.bytes[:old+got]
			if len(out.bytes) == 0 {
				return nil, fmt.Errorf("thread %d: scan the stack: %w", t.TID, err)
			}
			break
		}
		sp += n
	}
	return out, nil
}

// pageCache reads memory of a stopped process by pages, each once: a stack
// walk asks for words that lie close together.
type pageCache struct {
	mem   readerAt
	pages map[uint64][]byte
	room  []byte // for pages to come
	arena []byte // for pages that are read together, kept from stop to stop

	last     uint64 // the page that was asked for last
	lastPage []byte // nil for none
	word     [8]byte
}

func newPageCache(mem readerAt) *pageCache {
	return &pageCache{mem: mem, pages: map[uint64][]byte{}}
}

// reset forgets what was read, and keeps the memory that it was read into.
func (c *pageCache) reset(mem readerAt) {
	c.mem, c.last, c.lastPage = mem, 0, nil
	clear(c.pages)
}

// expect makes room for the stacks of so many threads, of which some cross a page. It is
// touched now: the kernel would give it page by page while the process stands still.
func (c *pageCache) expect(threads int) {
	if n := (threads + threads/2 + 1) * splice.PageSize; len(c.arena) < n {
		c.arena = make([]byte, n)
		for i := 0; i < n; i += splice.PageSize {
			c.arena[i] = 1
		}
	}
}

// prefetch reads the pages of addresses by few calls. What can't be read so is read when it
// is asked for.
func (c *pageCache) prefetch(pid int, addrs []uint64) {
	const most = 512 // pages of one call; the kernel takes 1024
	slices.Sort(addrs)
	var bases []uint64
	for _, a := range addrs {
		if base := a &^ (splice.PageSize - 1); len(bases) == 0 || bases[len(bases)-1] != base {
			bases = append(bases, base)
		}
	}
	c.expect(len(bases))
	room := c.arena
	for len(bases) > 0 {
		part := bases[:min(most, len(bases))]
		b := room[:len(part)*splice.PageSize]
		remote := make([]unix.RemoteIovec, len(part))
		for i, base := range part {
			remote[i] = unix.RemoteIovec{Base: uintptr(base), Len: splice.PageSize}
		}
		local := []unix.Iovec{{Base: &b[0], Len: uint64(len(b))}}
		n, err := unix.ProcessVMReadv(pid, local, remote, 0)
		if err != nil && !errors.Is(err, unix.EFAULT) {
			return
		}
		whole := max(n, 0) / splice.PageSize
		room = room[whole*splice.PageSize:]
		for i, base := range part[:whole] {
			c.pages[base] = b[i*splice.PageSize : (i+1)*splice.PageSize : (i+1)*splice.PageSize]
		}
		if whole < len(part) {
			whole++ // what can't be read
		}
		bases = bases[whole:]
	}
}

// ReadAddr implements ehframe.Memory.
func (c *pageCache) ReadAddr(p []byte, addr uint64) (int, error) {
	base := addr &^ (splice.PageSize - 1)
	if addr-base+uint64(len(p)) > splice.PageSize {
		return c.mem.ReadAddr(p, addr)
	}
	b, ok := c.pages[base]
	if !ok {
		if len(c.room) == 0 {
			c.room = make([]byte, 16*splice.PageSize)
		}
		b, c.room = c.room[:splice.PageSize:splice.PageSize], c.room[splice.PageSize:]
		if _, err := c.mem.ReadAddr(b, base); err != nil {
			return c.mem.ReadAddr(p, addr)
		}
		c.pages[base] = b
	}
	c.last, c.lastPage = base, b
	return copy(p, b[addr-base:]), nil
}

// ReadWord implements ehframe.WordReader.
func (c *pageCache) ReadWord(addr uint64) (uint64, error) {
	if off := addr - c.last; c.lastPage != nil && off <= splice.PageSize-8 {
		return binary.LittleEndian.Uint64(c.lastPage[off:]), nil
	}
	_, err := c.ReadAddr(c.word[:], addr)
	return binary.LittleEndian.Uint64(c.word[:]), err
}
