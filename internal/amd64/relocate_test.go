package amd64

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"
)

func TestRelocate(t *testing.T) {
	const from = 0x401000
	for _, test := range []struct {
		name, code string
		to         uint64
		want       string // "" for out of reach
	}{
		{"push", "\x55", 0x7000_0000_0000, "\x55"},
		{"endbr64", "\xf3\x0f\x1e\xfa", 0, "\xf3\x0f\x1e\xfa"},
		{"jmp rel32", "\xe9\x10\x00\x00\x00", 0x401100, "\xe9\x10\xff\xff\xff"},
		{"jmp rel8", "\xeb\x10", 0x402000, "\xe9\x0d\xf0\xff\xff"},
		{"jmp to itself", "\xeb\xfe", 0x402000, "\xe9\xfb\xef\xff\xff"},
		{"jne rel8", "\x75\x10", 0x402000, "\x0f\x85\x0c\xf0\xff\xff"},
		{"je,pn rel8", "\x2e\x74\x10", 0x402000, "\x2e\x0f\x84\x0c\xf0\xff\xff"},
		{"bnd jmp rel8", "\xf2\xeb\x10", 0x402000, "\xf2\xe9\x0d\xf0\xff\xff"},
		{"jg rel32", "\x0f\x8f\x10\x00\x00\x00", 0x402000, "\x0f\x8f\x10\xf0\xff\xff"},
		{"call", "\xe8\x10\x00\x00\x00", 0x402000, "\xe8\x10\xf0\xff\xff"},
		{"cs call", "\x2e\xe8\x10\x00\x00\x00", 0x402000, "\x2e\xe8\x10\xf0\xff\xff"},
		{"loop", "\xe2\x10", 0x402000, "\xe2\x02\xeb\x05\xe9\x09\xf0\xff\xff"},
		{"jecxz", "\x67\xe3\x10", 0x402000, "\x67\xe3\x02\xeb\x05\xe9\x09\xf0\xff\xff"},
		{"xbegin", "\xc7\xf8\x10\x00\x00\x00", 0x402000, "\xc7\xf8\x10\xf0\xff\xff"},
		{"rip-relative", "\x48\x8b\x05\x00\x00\x00\x00", 0x400000, "\x48\x8b\x05\x00\x10\x00\x00"},
		{"rip-relative, imm32", "\xc7\x05\x00\x00\x00\x00\x01\x02\x03\x04", 0x400000, "\xc7\x05\x00\x10\x00\x00\x01\x02\x03\x04"},
		{"eip-relative", "\x67\x8b\x05\x00\x00\x00\x00", 0x1_0040_0000, "\x67\x8b\x05\x00\x10\x00\x00"},
		{"jmp far away", "\xeb\x10", 0x1_0000_0000, ""},
		{"call far away", "\xe8\x00\x00\x00\x00", 0x1_0000_0000, ""},
		{"loop far away", "\xe2\x10", 0x1_0000_0000, ""},
		{"rip-relative far away", "\x48\x8b\x05\x00\x00\x00\x00", 0x1_0000_0000, ""},
		{"around the top", "\xe9\x00\x00\x00\x00", 0xffff_ffff_ffff_f000, "\xe9\x00\x20\x40\x00"},
	} {
		dst := []byte("before")
		got, err := Relocate(dst, append([]byte(test.code), 0x90, 0x90), from, test.to)
		if test.want == "" {
			var reach *ReachError
			if !errors.As(err, &reach) || !errors.Is(err, ErrOutOfReach) || string(got) != "before" {
				t.Errorf("%s: % x, %v", test.name, got, err)
			}
			continue
		}
		if err != nil || string(got) != "before"+test.want {
			t.Errorf("%s: % x, %v, want % x", test.name, got[6:], err, test.want)
		}
	}
	for _, bad := range []string{"", "\xe9\x00", "\x06", "\x66\xe8\x00\x00\x00\x00"} {
		if got, err := Relocate(nil, []byte(bad), 0, 0); err == nil || got != nil {
			t.Errorf("% x: % x, %v", bad, got, err)
		}
	}
}

// checkRelocated demands that the moved instruction means the same as the
// original did where it stood.
func checkRelocated(t *testing.T, b []byte, in Inst, from, to uint64) {
	t.Helper()
	moved, err := Relocate(nil, b, from, to)
	if errors.Is(err, ErrOutOfReach) {
		if in.PCRelLen == 0 || distance(from, to) < 1<<30 && in.PCRelLen == 1 {
			t.Fatalf("% x: %v", b[:in.Len], err)
		}
		return
	}
	if err != nil {
		t.Fatalf("% x: %v", b[:in.Len], err)
	}
	first, err := Decode(moved)
	if err != nil {
		t.Fatalf("% x became % x: %v", b[:in.Len], moved, err)
	}
	if first.Class != in.Class || first.Cond != in.Cond {
		t.Fatalf("% x became % x, another instruction", b[:in.Len], moved)
	}
	if in.Class == LoopCC {
		checkLoop(t, b, moved, first, in, from, to)
		return
	}
	if int(first.Len) != len(moved) {
		t.Fatalf("% x became % x, more than one instruction", b[:in.Len], moved)
	}
	was, ok1 := in.Target(b, from)
	is, ok2 := first.Target(moved, to)
	if was != is || ok1 != ok2 {
		t.Fatalf("% x went to %#x, % x goes to %#x", b[:in.Len], was, moved, is)
	}
	was, ok1 = in.Operand(b, from)
	is, ok2 = first.Operand(moved, to)
	if was != is || ok1 != ok2 {
		t.Fatalf("% x used %#x, % x uses %#x", b[:in.Len], was, moved, is)
	}
	if in.PCRelLen == 0 && !bytes.Equal(b[:in.Len], moved) {
		t.Fatalf("% x became % x", b[:in.Len], moved)
	}
}

// checkLoop follows both ways through loop 1f; jmp 2f; 1: jmp target; 2:.
func checkLoop(t *testing.T, b, moved []byte, first, in Inst, from, to uint64) {
	t.Helper()
	at := func(pc uint64) (uint64, bool) { // where the jump at pc goes
		i, err := Decode(moved[pc-to:])
		if err != nil || i.Class != Jump {
			return 0, false
		}
		return i.Target(moved[pc-to:], pc)
	}
	taken, _ := first.Target(moved, to)
	target, ok := at(taken)
	want, _ := in.Target(b, from)
	if !ok || target != want {
		t.Fatalf("% x went to %#x, % x goes to %#x", b[:in.Len], want, moved, target)
	}
	if behind, ok := at(to + uint64(first.Len)); !ok || behind != to+uint64(len(moved)) {
		t.Fatalf("% x does not continue behind itself", moved)
	}
}

// TestRelocateRandom moves the instructions of the table to random places, near
// and far.
func TestRelocateRandom(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, row := range allEncodings() {
		b := row.bytes(t)
		in, err := Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		for range 200 {
			from := rng.Uint64()
			to := from + uint64(rng.Int64N(1<<33)-1<<32)
			checkRelocated(t, b, in, from, to)
		}
	}
}

func FuzzRelocate(f *testing.F) {
	for _, row := range flowEncodings {
		f.Add(row.bytes(f), uint64(0x401000), uint64(0x7fff_0000))
	}
	f.Fuzz(func(t *testing.T, b []byte, from, to uint64) {
		in, err := Decode(b)
		if err != nil {
			if _, err := Relocate(nil, b, from, to); err == nil {
				t.Fatal("relocated what cannot be decoded")
			}
			return
		}
		checkRelocated(t, b, in, from, to)
	})
}

// TestJmpRel8 goes as far as a short jump does, and one byte further.
func TestJmpRel8(t *testing.T) {
	for _, c := range []struct {
		from, to uint64
		want     string
	}{{0x1000, 0x1002, "\xeb\x00"}, {0x1000, 0x1000, "\xeb\xfe"}, {0x1000, 0x1081, "\xeb\x7f"}, {0x1000, 0x1082, ""}, {0x1000, 0xf82, "\xeb\x80"}, {0x1000, 0xf81, ""}, {0, ^uint64(0), "\xeb\xfd"}} {
		if b, ok := JmpRel8(c.from, c.to); ok != (c.want != "") || ok && string(b[:]) != c.want {
			t.Errorf("from %#x to %#x: % x, %v", c.from, c.to, b, ok)
		}
	}
}

func TestJumps(t *testing.T) {
	for _, test := range []struct {
		from, to uint64
		ok       bool
	}{
		{0x1000, 0x1005, true},
		{0x1000, 0x1000, true},
		{0, 5 + 0x7fffffff, true},
		{0, 5 + 0x80000000, false},
		{0x1_0000_0000, 0x8000_0005, true},
		{0x1_0000_0000, 0x8000_0004, false},
		{0xffff_ffff_ffff_fff0, 0x10, true},
	} {
		b, err := JmpRel32(test.from, test.to)
		if (err == nil) != test.ok || err != nil && !errors.Is(err, ErrOutOfReach) {
			t.Errorf("%#x to %#x: %v", test.from, test.to, err)
		}
		if err != nil {
			continue
		}
		in, err := Decode(b[:])
		if target, ok := in.Target(b[:], test.from); err != nil || !ok || target != test.to {
			t.Errorf("%#x to %#x: % x goes to %#x, %v", test.from, test.to, b, target, err)
		}
	}
	far := JmpAbs64(0x1122334455667788)
	in, err := Decode(far[:])
	slot, _ := in.Operand(far[:], 0x1000)
	if err != nil || in.Class != JumpInd || slot != 0x1006 || binary.LittleEndian.Uint64(far[6:]) != 0x1122334455667788 {
		t.Errorf("% x: %v, slot %#x, %v", far, in.Class, slot, err)
	}
	by := JmpSlot(0x1000, 0x2000)
	in, err = Decode(by[:])
	if slot, _ = in.Operand(by[:], 0x1000); err != nil || in.Class != JumpInd || slot != 0x2000 {
		t.Errorf("% x: %v, slot %#x, %v", by, in.Class, slot, err)
	}
}
