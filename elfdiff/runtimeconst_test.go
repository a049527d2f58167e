package elfdiff

import (
	"fmt"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/internal/extraction"
	"github.com/gosplice/gosplice/internal/amd64"
)

// TestConstantLoad rewrites the movabs of each register; the disassembler is
// the witness.
func TestConstantLoad(t *testing.T) {
	regs := []string{"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"}
	for i, reg := range regs {
		code := []byte{0x48 | byte(i>>3), 0xb8 | byte(i&7), 0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0x01}
		load, ok := extraction.ConstantLoad(code)
		if !ok {
			t.Fatalf("%s: refused", reg)
		}
		none := func(uint64) (string, uint64, bool) { return "", 0, false }
		got, want := amd64.Disasm(load[:], 0, none), "mov    0x0(%rip),%"+reg
		if in, err := amd64.Decode(load[:]); err != nil || in.Len != 7 || len(got) < len(want) || got[:len(want)] != want {
			t.Errorf("%s: %s, %v", reg, got, err)
		}
		if n := amd64.NopLen(load[7:]); n != 3 {
			t.Errorf("%s: %d bytes of nop behind it", reg, n)
		}
	}
	for _, bad := range [][]byte{nil, {0x48, 0xb8}, fmt.Append(nil, "\x40\xb8 12345678"), fmt.Append(nil, "\x48\xc7 12345678")} {
		if _, ok := extraction.ConstantLoad(bad); ok {
			t.Errorf("% x was accepted", bad)
		}
	}
}

// TestIsShift knows the instruction whose count is a runtime constant.
func TestIsShift(t *testing.T) {
	for _, c := range []struct {
		code []byte
		off  int64
		want bool
	}{
		{[]byte{0xc1, 0xe8, 12}, 2, true},       // shr $12,%eax
		{[]byte{0x41, 0xc1, 0xef, 12}, 3, true}, // shr $12,%r15d
		{[]byte{0xc1, 0xe0, 12}, 2, false},      // shl
		{[]byte{0xc1, 0x28, 12}, 2, false},      // shr of memory
		{[]byte{0xc1, 0xe8, 12}, 1, false},
		{[]byte{0xc1, 0xe8, 12}, 3, false},
		{[]byte{0xc1, 0xe8, 12}, -1, false},
	} {
		if got := extraction.IsShift(c.code, c.off); got != c.want {
			t.Errorf("% x at %d: %v", c.code, c.off, got)
		}
	}
}
