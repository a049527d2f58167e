package amd64

import (
	"testing"

	"golang.org/x/arch/x86/x86asm"
)

// TestOperands compares the registers of memory operands with those that x86asm finds,
// for every ModRM byte with every REX prefix, and has some of the other encodings.
func TestOperands(t *testing.T) {
	number := func(r x86asm.Reg) int {
		switch {
		case r >= x86asm.RAX && r <= x86asm.R15:
			return int(r - x86asm.RAX)
		case r == 0 || r == x86asm.RIP:
			return NoReg
		}
		t.Fatalf("register %v", r)
		return NoReg
	}
	for rex := byte(0x48); rex < 0x50; rex++ {
		for m := range 256 {
			for sib := 0; sib < 256; sib += 3 {
				b := []byte{rex, 0x8b, byte(m), byte(sib), 1, 2, 3, 4, 5, 6}
				in, err := Decode(b)
				x, err2 := x86asm.Decode(b, 64)
				if err != nil || err2 != nil || x.Len != int(in.Len) {
					t.Fatalf("% x: %v, %v", b, err, err2)
				}
				o := in.Operands(b)
				if want := number(x.Args[0].(x86asm.Reg)); o.Reg != want {
					t.Errorf("% x: reg %d, want %d", b, o.Reg, want)
				}
				switch a := x.Args[1].(type) {
				case x86asm.Reg:
					if o.Memory || o.RM != number(a) {
						t.Errorf("% x: %+v, want %v", b, o, a)
					}
				case x86asm.Mem:
					if !o.Memory || o.Base != number(a.Base) || o.Index != number(a.Index) {
						t.Errorf("% x: %+v, want %v", b, o, a)
					}
				}
			}
		}
	}
	for _, c := range []struct {
		code string
		want Operands
		v    int
	}{
		{"\x41\x57", Operands{Reg: NoReg, RM: NoReg, Low: 15, Base: NoReg, Index: NoReg}, NoReg},                              // push %r15
		{"\x44\x0f\xb6\x0c\x0e", Operands{Reg: 9, RM: NoReg, Low: 6, Memory: true, Base: 6, Index: 1}, NoReg},                 // movzbl (%rsi,%rcx,1),%r9d
		{"\xc4\xa1\x7a\x6f\x04\x26", Operands{Reg: 0, RM: NoReg, Low: 7, Memory: true, Base: 6, Index: 12}, 0},                // vmovdqu (%rsi,%r12,1),%xmm0
		{"\xc5\x7b\x10\x01", Operands{Reg: 8, RM: NoReg, Low: 0, Memory: true, Base: 1, Index: NoReg}, 0},                     // vmovsd (%rcx),%xmm8
		{"\xc4\xe2\xb0\xf2\xc2", Operands{Reg: 0, RM: 2, Low: 2, Base: NoReg, Index: NoReg}, 9},                               // andn %rdx,%r9,%rax
		{"\x62\xb1\xfe\x48\x6f\x04\x23", Operands{Reg: 0, RM: NoReg, Low: 7, Memory: true, Base: 3, Index: 12}, 0},            // vmovdqu64 (%rbx,%r12,1),%zmm0
		{"\x48\x8d\x05\x01\x02\x03\x04", Operands{Reg: 0, RM: NoReg, Low: 5, Memory: true, Base: NoReg, Index: NoReg}, NoReg}, // lea 0x4030201(%rip),%rax
		{"\x48\x8b\x04\xc5\x01\x02\x03\x04", Operands{Reg: 0, RM: NoReg, Low: 3, Memory: true, Base: NoReg, Index: 0}, NoReg}, // mov 0x4030201(,%rax,8),%rax
		{"\x66\x49\x0f\x6e\xc7", Operands{Reg: 0, RM: 15, Low: 7 | 8 - 1, Base: NoReg, Index: NoReg}, NoReg},                  // movq %r15,%xmm0
	} {
		in, err := Decode([]byte(c.code))
		if err != nil {
			t.Fatalf("% x: %v", c.code, err)
		}
		o := in.Operands([]byte(c.code))
		c.want.Low = o.Low // of what has none, it means nothing
		if o != c.want {
			t.Errorf("% x: %+v, want %+v", c.code, o, c.want)
		}
		if v := in.Vvvv([]byte(c.code)); v != c.v {
			t.Errorf("% x: vvvv %d, want %d", c.code, v, c.v)
		}
	}
}
