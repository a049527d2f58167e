package amd64

import (
	"bytes"
	"debug/elf"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// checkDecode has what holds for every input.
func checkDecode(t *testing.T, b []byte) {
	t.Helper()
	in, err := Decode(b)
	if err != nil {
		checkDecodeError(t, b, err)
		return
	}
	n := int(in.Len)
	if n == 0 || n > MaxLen || n > len(b) {
		t.Fatalf("% x: length %d", b, n)
	}
	if again, err := Decode(b[:n:n]); err != nil || again != in {
		t.Fatalf("% x: %+v, %v; with more behind it %+v", b[:n], again, err, in)
	}
	// The decoder decides byte by byte, so that what a longer input accepts
	// a shorter one can only miss.
	for k := range n {
		if _, err := Decode(b[:k]); err != ErrTruncated {
			t.Fatalf("% x: prefix of %d bytes: %v", b[:n], k, err)
		}
	}
	for _, f := range []struct {
		name        string
		off, length uint8
	}{{"pcrel", in.PCRelOff, in.PCRelLen}, {"imm", in.ImmOff, in.ImmLen}, {"disp", in.DispOff, in.DispLen}} {
		if f.off+f.length > in.Len || (f.length == 0) != (f.off == 0) || f.length != 0 && f.off <= in.OpOff {
			t.Fatalf("% x: %s at %d, %d bytes", b[:n], f.name, f.off, f.length)
		}
	}
	if in.PCRelLen != 0 && in.DispLen != 0 && (in.PCRelOff != in.DispOff || in.PCRelLen != in.DispLen) {
		t.Fatalf("% x: two fields: %+v", b[:n], in)
	}
	_, branch := in.Target(b, 0)
	_, operand := in.Operand(b, 0)
	direct := in.Class == Jump || in.Class == Jcc || in.Class == LoopCC || in.Class == Call || in.Class == TxBegin
	if branch != direct || branch && operand || (branch || operand) != (in.PCRelLen != 0) {
		t.Fatalf("% x: branch %v, operand %v: %+v", b[:n], branch, operand, in)
	}
	if text := Disasm(b, 0x1000, nil); text == "" || text != Disasm(b[:n], 0x1000, nil) {
		t.Fatalf("% x: text %q", b[:n], text)
	}
}

func checkDecodeError(t *testing.T, b []byte, err error) {
	t.Helper()
	if text := Disasm(b, 0x1000, nil); !strings.HasPrefix(text, ".byte") {
		t.Fatalf("% x: text %q", b, text)
	}
	if err == ErrTruncated {
		if len(b) >= MaxLen {
			t.Fatalf("% x: truncated", b)
		}
		return
	}
	var unknown *UnknownError
	if !errors.As(err, &unknown) || !errors.Is(err, ErrUnknown) || !bytes.HasPrefix(b, unknown.Bytes) || len(unknown.Bytes) > MaxLen {
		t.Fatalf("% x: %v", b, err)
	}
	// Nor does more input help.
	if _, err := Decode(append(b[:len(b):len(b)], 0x90, 0x90)); !errors.Is(err, ErrUnknown) {
		t.Fatalf("% x: unknown, and with more behind it: %v", b, err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, row := range allEncodings() {
		f.Add(row.bytes(f))
	}
	for _, row := range refused {
		f.Add([]byte(row.code))
	}
	f.Fuzz(checkDecode)
}

// refused is what must never get a length.
var refused = []struct {
	code, reason string
}{
	{"\x06", stopOpcode.reason},                         // push %es, gone in 64-bit mode
	{"\xd6", stopOpcode.reason},                         // salc
	{"\x82\xc0\x01", stopOpcode.reason},                 // an alias of 80, gone
	{"\x9a\x00\x00\x00\x00\x00\x00", stopOpcode.reason}, // lcall ptr16:32
	{"\xd5\x08\x90", stopOpcode.reason},                 // REX2 of APX
	{"\x0f\x04", stopOpcode.reason},
	{"\x0f\x0a", stopOpcode.reason},
	{"\x0f\x38\xff\xc0", stopOpcode.reason},
	{"\xf3\x0f\x14\xc0", stopPrefix.reason}, // unpcklps has no F3 form
	{"\x0f\xb8\xc0", stopPrefix.reason},     // popcnt needs F3
	{"\x8d\xc0", stopModRM.reason},          // lea of a register
	{"\xff\xff", stopModRM.reason},
	{"\xc7\xc8", stopModRM.reason},
	{"\xd9\xd1", stopModRM.reason},
	{"\x0f\x01\xfc\x00"[:2] + "\xc7", stopModRM.reason},
	{"\x48\x66\x90", stopREX.reason},
	{"\x48\x48\x90", stopREX.reason},
	{"\x66\xc5\xf8\x77", stopVector.reason},
	{"\xf0\xc5\xf8\x77", stopVector.reason},
	{"\x48\x62\xf1\x7c\x48\x10\xc0", stopVector.reason},
	{"\xc4\xe4\x78\x00\xc0", stopReserved.reason},
	{"\x62\xf4\x7c\x08\x00\xc0", stopReserved.reason}, // APX's EVEX map 4
	{"\x62\xf1\x78\x48\x10\xc0", stopReserved.reason},
	{"\x8f\xeb\x78\x00\xc0", stopReserved.reason},
	{"\x66\xe8\x00\x00\x00\x00", stopBranch16.reason},
	{"\x66\xe9\x00\x00\x00\x00", stopBranch16.reason},
	{"\x66\xeb\x00", stopBranch16.reason},
	{"\x66\x74\x00", stopBranch16.reason},
	{"\x66\x0f\x84\x00\x00\x00\x00", stopBranch16.reason},
	{"\x66\xe2\x00", stopBranch16.reason},
	{"\x66\xc7\xf8\x00\x00\x00\x00", stopBranch16.reason},
	{"\x0f\x0f\xc0\x00", stop3DNow.reason},
	{"\xc4\xe2\x79\x92\xc0", stopModRM.reason}, // a gather of registers
	{strings.Repeat("\x66", 15) + "\x90", "longer than 15 bytes"},
	{strings.Repeat("\x2e", 14) + "\x0f\x0b", "longer than 15 bytes"},
}

func TestDecodeRefused(t *testing.T) {
	for _, row := range refused {
		in, err := Decode([]byte(row.code))
		var unknown *UnknownError
		if !errors.As(err, &unknown) || unknown.Reason != row.reason || in != (Inst{}) {
			t.Errorf("% x: %+v, %v; want %q", row.code, in, err, row.reason)
		}
		checkDecode(t, []byte(row.code))
	}
}

// TestDecodeInvariants runs the fuzz target's checks over the table, and over
// every pair of bytes with different things behind it.
func TestDecodeInvariants(t *testing.T) {
	for _, row := range allEncodings() {
		checkDecode(t, append(row.bytes(t), 0xcc, 0xcc))
	}
	for _, tail := range []string{"", "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", "\x25\x25\x25\x25\x25\x25\x25\x25\x25\x25\x25\x25\x25", "\xc0\xc5\x90"} {
		for i := range 1 << 16 {
			checkDecode(t, append([]byte{byte(i), byte(i >> 8)}, tail...))
		}
	}
}

// TestDecodeMax is the longest instruction: 15 bytes are taken, 16 are not.
func TestDecodeMax(t *testing.T) {
	b := []byte(strings.Repeat("\x66", 14) + "\x90")
	if in, err := Decode(b); err != nil || in.Len != 15 || in.Class != Nop {
		t.Errorf("%+v, %v", in, err)
	}
}

func TestEndsFlow(t *testing.T) {
	for _, row := range flowEncodings {
		in, err := Decode(row.bytes(t))
		want := row.class == Jump || row.class == JumpInd || row.class == Ret
		if err != nil || in.EndsFlow() != want {
			t.Errorf("%s: %v, %v", row.text, in.EndsFlow(), err)
		}
	}
}

// text returns the .text of a program to measure with: the first vmlinux
// that is given, or the test itself.
func text(b *testing.B) []byte {
	name, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	if list := filepath.SplitList(testenv.Value(testenv.Vmlinux)); len(list) > 0 {
		name = list[0]
	}
	f, err := elf.Open(name)
	if err != nil {
		b.Skip(err)
	}
	defer f.Close()
	data, err := f.Section(".text").Data()
	if err != nil {
		b.Fatal(err)
	}
	return data
}

// BenchmarkDecode walks over the code of a program from its first byte; what
// does not decode, which is data, is stepped over byte by byte.
func BenchmarkDecode(b *testing.B) {
	code := text(b)
	b.SetBytes(int64(len(code)))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n = 0
		for i := 0; i < len(code); n++ {
			in, err := Decode(code[i:])
			if err != nil {
				in.Len = 1
			}
			i += int(in.Len)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/inst")
}

func BenchmarkDisasm(b *testing.B) {
	code := text(b)[:1<<16]
	b.SetBytes(int64(len(code)))
	b.ReportAllocs()
	for b.Loop() {
		for i := 0; i < len(code); {
			Disasm(code[i:], uint64(i), nil)
			in, _ := Decode(code[i:])
			i += int(max(in.Len, 1))
		}
	}
}

func BenchmarkHowto(b *testing.B) {
	h, _ := HowtoOf(uint32(elf.R_X86_64_PC32))
	var field [4]byte
	b.Run("Apply", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := h.Apply(field[:], 0xffffffff81000000, -4, 0xffffffff82000000); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Solve", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := h.Solve(field[:], -4, 0xffffffff82000000); err != nil {
				b.Fatal(err)
			}
		}
	})
}
