package amd64

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// nops has the recommended NOP of each length (Intel SDM, volume 2, NOP, table
// 4-12, and from 9 bytes on with the 2E and 66 prefixes that gas uses).
var nops = [...]string{
	1:  "\x90",                                     // nop
	2:  "\x66\x90",                                 // xchg %ax,%ax
	3:  "\x0f\x1f\x00",                             // nopl (%rax)
	4:  "\x0f\x1f\x40\x00",                         // nopl 0x0(%rax)
	5:  "\x0f\x1f\x44\x00\x00",                     // nopl 0x0(%rax,%rax,1)
	6:  "\x66\x0f\x1f\x44\x00\x00",                 // nopw 0x0(%rax,%rax,1)
	7:  "\x0f\x1f\x80\x00\x00\x00\x00",             // nopl 0x0(%rax)
	8:  "\x0f\x1f\x84\x00\x00\x00\x00\x00",         // nopl 0x0(%rax,%rax,1)
	9:  "\x66\x0f\x1f\x84\x00\x00\x00\x00\x00",     // nopw 0x0(%rax,%rax,1)
	10: "\x66\x2e\x0f\x1f\x84\x00\x00\x00\x00\x00", // cs nopw 0x0(%rax,%rax,1)
	11: "\x66\x66\x2e\x0f\x1f\x84\x00\x00\x00\x00\x00",
}

func TestNops(t *testing.T) {
	for n, text := range nops {
		if n == 0 {
			continue
		}
		in, err := Decode([]byte(text))
		if err != nil || in.Class != Nop || int(in.Len) != n || len(text) != n {
			t.Errorf("% x: %+v, %v", text, in, err)
		}
		for k := range nops { // one behind the other
			if b := []byte(text + nops[k]); NopLen(b) != n+k {
				t.Errorf("% x: NopLen %d", b, NopLen(b))
			}
		}
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

func TestIsNop5(t *testing.T) {
	for code, want := range map[string]bool{
		"\x0f\x1f\x44\x00\x00": true, "\x66\x66\x66\x66\x90\xc3": true,
		"\x66\x66\x66\x90\x90": false, "\x0f\x1f\x44\x00\x08": false, "\x0f\x1f\x44": false, "": false,
	} {
		if got := IsNop5([]byte(code)); got != want {
			t.Errorf("% x: %v", code, got)
		}
	}
}
