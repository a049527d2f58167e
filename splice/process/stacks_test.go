//go:build linux && amd64

package process

import (
	"encoding/binary"
	"testing"

	"github.com/gosplice/gosplice/internal/procfs"
	"github.com/gosplice/gosplice/internal/ptrace"
)

// TestHolds checks the borders of code: a return address may be just behind a
// call that ends a function, and is never the first instruction.
func TestHolds(t *testing.T) {
	a := area{"f", 0x100, 0x110}
	for _, tt := range []struct {
		pc            uint64
		exact, called bool
	}{{0xff, false, false}, {0x100, true, false}, {0x101, true, true}, {0x10f, true, true}, {0x110, false, true}, {0x111, false, false}} {
		if a.holds(tt.pc, true) != tt.exact || a.holds(tt.pc, false) != tt.called {
			t.Errorf("%#x: %v %v", tt.pc, a.holds(tt.pc, true), a.holds(tt.pc, false))
		}
	}
}

// TestScan scans stacks made by hand: one whose end is the thread control
// block, one with a guard page that maps does not show, and one that a signal
// handler on another stack came from.
func TestScan(t *testing.T) {
	const (
		stack, alt, text = 0x10000, 0x30000, 0x50000
		restorer         = text + 0x100
		inside           = 0x400010
	)
	memory := func() memoryAt { return memoryAt{stack, make([]byte, text+0x1000-stack)} }
	put := func(m memoryAt, at, v uint64) { binary.LittleEndian.PutUint64(m.bytes[at-m.start:], v) }
	code := func(m memoryAt) {
		copy(m.bytes[restorer-m.start:], "\x48\xc7\xc0\x0f\x00\x00\x00\x0f\x05")
	}
	for _, tt := range []struct {
		name  string
		fill  func(m memoryAt)
		sp    uint64
		fs    uint64
		found uint64
	}{
		{"nothing", func(memoryAt) {}, stack + 0x800, 0, 0},
		{"above", func(m memoryAt) { put(m, stack+0x900, inside) }, stack + 0x800, 0, inside},
		{"in the red zone", func(m memoryAt) { put(m, stack+0x7c0, inside) }, stack + 0x800, 0, inside},
		{"below", func(m memoryAt) { put(m, stack+0x700, inside) }, stack + 0x800, 0, 0},
		{"behind the function", func(m memoryAt) { put(m, stack+0x900, 0x400020) }, stack + 0x800, 0, 0x400020},
		{"last word", func(m memoryAt) { put(m, stack+0xff8, inside) }, stack + 0x800, 0, inside},
		{"behind the thread control block", func(m memoryAt) { put(m, stack+0xf00, inside) }, stack + 0x800, stack + 0xe00, 0},
		{"on the stack below a handler", func(m memoryAt) {
			code(m)
			put(m, alt+0x100, restorer)
			put(m, alt+0x100+sigframeRSP, stack+0x800)
			put(m, stack+0x900, inside)
		}, alt + 0x80, 0, inside},
		{"handlers in a circle", func(m memoryAt) {
			code(m)
			put(m, alt+0x100, restorer)
			put(m, alt+0x100+sigframeRSP, stack+0x800)
			put(m, stack+0x900, restorer)
			put(m, stack+0x900+sigframeRSP, alt+0x100)
		}, alt + 0x80, 0, 0},
	} {
		m := memory()
		tt.fill(m)
		s := &stacks{
			mem: newPageCache(m), areas: []area{{"f", 0x400000, 0x400020}}, restorers: map[uint64]bool{},
			maps: []procfs.Mapping{
				{Start: stack, End: stack + 0x1000, Perm: procfs.Read | procfs.Write},
				{Start: alt, End: alt + 0x1000, Perm: procfs.Read | procfs.Write},
				{Start: text, End: text + 0x1000, Perm: procfs.Read | procfs.Exec},
			},
		}
		b, err := s.scan(&ptrace.Thread{TID: 7, Regs: ptrace.Regs{Rsp: tt.sp, Fs_base: tt.fs}}, tt.sp)
		switch {
		case err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case (b != nil) != (tt.found != 0) || b != nil && (b.Addr != tt.found || b.Frame != -1 || b.TID != 7 || b.String() == ""):
			t.Errorf("%s: %v, want %#x", tt.name, b, tt.found)
		}
	}
}

// TestWithout cuts ranges out of mappings.
func TestWithout(t *testing.T) {
	m := procfs.Mapping{Start: 0x2000, End: 0x6000}
	for _, tt := range []struct {
		cut  extent
		want []extent
	}{
		{extent{0x7000, 0x8000}, []extent{{0x2000, 0x6000}}},
		{extent{0x2000, 0x6000}, nil},
		{extent{0x1000, 0x7000}, nil},
		{extent{0x3000, 0x4000}, []extent{{0x2000, 0x3000}, {0x4000, 0x6000}}},
		{extent{0x1000, 0x3000}, []extent{{0x3000, 0x6000}}},
		{extent{0x5000, 0x9000}, []extent{{0x2000, 0x5000}}},
	} {
		got := without(m, tt.cut)
		if len(got) != len(tt.want) {
			t.Errorf("%#x: %v", tt.cut, got)
			continue
		}
		for i := range got {
			if (extent{got[i].Start, got[i].End}) != tt.want[i] {
				t.Errorf("%#x: %v", tt.cut, got)
			}
		}
	}
}
