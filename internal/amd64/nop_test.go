package amd64

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

func TestNops(t *testing.T) {
	for n := range 200 {
		b := Nops(n)
		if len(b) != n || NopLen(b) != n {
			t.Errorf("%d bytes: % x, NopLen %d", n, b, NopLen(b))
		}
		count := 0
		for i := 0; i < len(b); count++ {
			in, err := Decode(b[i:])
			if err != nil || in.Class != Nop {
				t.Fatalf("% x: %+v, %v", b[i:], in, err)
			}
			i += int(in.Len)
		}
		if want := (n + 10) / 11; count != want {
			t.Errorf("%d bytes: %d instructions, want %d", n, count, want)
		}
	}
	if b := Nops(-1); len(b) != 0 {
		t.Errorf("% x", b)
	}
}

func TestNopLen(t *testing.T) {
	for _, test := range []struct {
		code string
		want int
	}{
		{"", 0},
		{"\x90\x90\x90\xc3", 3},
		{"\x66\x90\xc3", 2},
		{"\x66\x66\x66\x90", 4},
		{"\x48\x90", 2},
		{"\x66\x66\x2e\x0f\x1f\x84\x00\x00\x00\x00\x00\x55", 11},
		{"\x66\x66\x66\x66\x66\x66\x2e\x0f\x1f\x84\x00\x00\x00\x00\x00", 15},
		{"\x66\x0f\x1f\x00", 4}, // a sealed endbr64
		{"\x0f\x1f\x44\x00\x00\x66\x90\x90", 8},
		{"\x3e\x0f\x1f\x00", 4},
		{"\x65\x90", 2},                     // a gs prefix, as a mark in the kernel's retpolines
		{"\x48\x8d\x76\x00", 4},             // lea 0x0(%rsi),%rsi
		{"\x48\x8d\xb6\x00\x00\x00\x00", 7}, // lea 0x0(%rsi),%rsi
		{"\x48\x8d\x74\x26\x00", 5},         // lea 0x0(%rsi,%riz,1),%rsi
		{"\x4d\x8d\x24\x24", 4},             // lea (%r12),%r12
		{"\x4d\x8d\x6d\x00", 4},             // lea 0x0(%r13),%r13
		{"\x48\x8d\x76\x01", 0},
		{"\x48\x8d\x7e\x00", 0},                     // lea 0x0(%rsi),%rdi
		{"\x8d\x76\x00", 0},                         // lea 0x0(%rsi),%esi clears the upper half
		{"\x67\x48\x8d\x76\x00", 0},                 // so does an address of 32 bits
		{"\x49\x8d\x76\x00", 0},                     // lea 0x0(%r14),%rsi
		{"\x4c\x8d\x76\x00", 0},                     // lea 0x0(%rsi),%r14
		{"\x48\x8d\x34\x36", 0},                     // lea (%rsi,%rsi,1),%rsi
		{"\x4a\x8d\x74\x26\x00", 0},                 // lea 0x0(%rsi,%r12,1),%rsi
		{"\x48\x8d\x2c\x25\x00\x00\x00\x00", 0},     // lea 0x0,%rbp
		{"\x48\x8d\x05\x00\x00\x00\x00", 0},         // lea 0x0(%rip),%rax
		{"\xf3\x90", 0},                             // pause
		{"\x41\x90", 0},                             // xchg %eax,%r8d
		{"\x87\xc0", 0},                             // xchg %eax,%eax
		{"\xf3\x0f\x1e\xfa", 0},                     // endbr64
		{"\x0f\x18\xe0", 0},                         // a hint NOP nobody pads with
		{"\xcc\xcc", 0},                             // filler that is not executed
		{"\x90\x0f\x1f", 1},                         // cut off
		{"\x0f\x1f\x05\x01\x02\x03\x04", 7},         // nopl 0x4030201(%rip)
		{"\x0f\x1f\xc0", 3},                         // nop %eax
		{"\xf0\x90", 0},                             // lock nop faults
		{"\x66\x2e\x0f\x1f\x84\x00\x00\x00\x00", 0}, // cut off
	} {
		if got := NopLen([]byte(test.code)); got != test.want {
			t.Errorf("% x: %d, want %d", test.code, got, test.want)
		}
	}
}

// TestNopLenAssembler recognises what gas fills alignment with, for every
// length and the processors it makes a difference for.
func TestNopLenAssembler(t *testing.T) {
	testenv.Need(t, "as")
	for _, flags := range []string{"", "-mtune=generic64", "-mtune=core2", "-mtune=k8", "-mtune=znver2", "-march=generic64"} {
		var source strings.Builder
		const size = 64
		for n := range size {
			fmt.Fprintf(&source, ".p2align 6\n.skip %d, 0xcc\n", size-n)
		}
		source.WriteString(".p2align 6\n.nops 37, 9\n")
		dir := t.TempDir()
		name := filepath.Join(dir, "in.s")
		writeFile(t, name, source.String())
		args := []string{"-o", filepath.Join(dir, "in.o"), name}
		if flags != "" {
			args = append([]string{flags}, args...)
		}
		run(t, "as", args...)
		code, err := openELF(t, filepath.Join(dir, "in.o")).Section(".text").Data()
		if err != nil {
			t.Fatal(err)
		}
		checkFill(t, flags, code)
	}
}

// checkFill demands that code is nothing but int3 and what NopLen takes.
func checkFill(t *testing.T, flags string, code []byte) {
	t.Helper()
	for i := 0; i < len(code); {
		if code[i] == 0xcc {
			i++
			continue
		}
		n := NopLen(code[i:])
		if n == 0 {
			t.Fatalf("%s: not padding: % x", flags, code[i:min(i+16, len(code))])
		}
		i += n
	}
	if bytes.IndexByte(code, 0x0f) < 0 && !strings.Contains(flags, "k8") {
		t.Errorf("%s: no long NOP in %d bytes", flags, len(code))
	}
}
