package amd64

import (
	"encoding/hex"
	"strings"
	"testing"
)

// TestMemAlign holds instructions of which Intel's manual says what they demand.
func TestMemAlign(t *testing.T) {
	for _, c := range []struct {
		code, text string
		want       uint64
	}{
		{"0f 28 05 00 00 00 00", "movaps x(%rip),%xmm0", 16},
		{"66 0f 6f 00", "movdqa (%rax),%xmm0", 16},
		{"f3 0f 6f 00", "movdqu (%rax),%xmm0", 1},
		{"0f 10 00", "movups (%rax),%xmm0", 1},
		{"0f 6f 00", "movq (%rax),%mm0", 1},
		{"66 0f d4 05 00 00 00 00", "paddq x(%rip),%xmm0", 16},
		{"0f d4 00", "paddq (%rax),%mm0", 1},
		{"66 0f d6 00", "movq %xmm0,(%rax)", 1},
		{"66 0f 7f 07", "movdqa %xmm0,(%rdi)", 16},
		{"0f 29 c1", "movaps %xmm0,%xmm1", 1},
		{"f2 0f 58 00", "addsd (%rax),%xmm0", 1},
		{"66 0f 58 00", "addpd (%rax),%xmm0", 16},
		{"66 0f 38 40 00", "pmulld (%rax),%xmm0", 16},
		{"66 0f 38 20 00", "pmovsxbw (%rax),%xmm0", 1},
		{"66 0f 3a 63 00 0c", "pcmpistri $0xc,(%rax),%xmm0", 1},
		{"66 0f e7 00", "movntdq %xmm0,(%rax)", 16},
		{"c5 f8 28 00", "vmovaps (%rax),%xmm0", 16},
		{"c5 fd 6f 00", "vmovdqa (%rax),%ymm0", 32},
		{"c5 fe 6f 00", "vmovdqu (%rax),%ymm0", 1},
		{"c4 c1 7d 7f 01", "vmovdqa %ymm0,(%r9)", 32},
		{"c5 fd d4 00", "vpaddq (%rax),%ymm0,%ymm0", 1},
		{"62 f1 fd 48 6f 00", "vmovdqa64 (%rax),%zmm0", 64},
		{"62 f1 fe 48 6f 00", "vmovdqu64 (%rax),%zmm0", 1},
		{"62 f1 7c 28 28 00", "vmovaps (%rax),%ymm0", 32},
		{"0f ae 00", "fxsave (%rax)", 16},
		{"48 0f ae 20", "xsave64 (%rax)", 64},
		{"0f ae 38", "clflush (%rax)", 1},
		{"48 0f c7 0f", "cmpxchg16b (%rdi)", 16},
		{"0f c7 0f", "cmpxchg8b (%rdi)", 1},
		{"48 8b 00", "mov (%rax),%rax", 1},
	} {
		b, err := hex.DecodeString(strings.ReplaceAll(c.code, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		in, err := Decode(b)
		if err != nil {
			t.Fatalf("%s: %v", c.text, err)
		}
		if got := in.MemAlign(b); got != c.want || int(in.Len) != len(b) {
			t.Errorf("%s: %d, not %d", c.text, got, c.want)
		}
	}
}
