package amd64

import (
	"debug/elf"
	"errors"
	"math"
	"testing"
)

func TestHowtoOf(t *testing.T) {
	for i := range howtos {
		h := &howtos[i]
		if h.Type != uint32(i) {
			t.Errorf("row %d has type %d", i, h.Type)
		}
		if got, ok := HowtoOf(h.Type); !ok || got != h {
			t.Errorf("HowtoOf(%d) = %v, %v", i, got, ok)
		}
		// debug/elf knows the types up to REX_GOTPCRELX, and has no U in
		// JUMP_SLOT, which the psABI and readelf have.
		if name := elf.R_X86_64(i).String(); i <= 42 && i != 7 && name != h.Name {
			t.Errorf("type %d is %s, debug/elf has %s", i, h.Name, name)
		}
		if h.Expr.String() == "" || h.Overflow.String() == "" {
			t.Errorf("%s: a name is missing", h.Name)
		}
	}
	for _, typ := range []uint32{uint32(len(howtos)), 249, 252, math.MaxUint32} {
		if h, ok := HowtoOf(typ); ok {
			t.Errorf("HowtoOf(%d) = %s", typ, h.Name)
		}
	}
	if h, ok := HowtoOf(250); !ok || h.Size != 0 {
		t.Error("250 is not known")
	}
}

// limits returns the results that just fit in a field, and those that just
// don't.
func limits(h *Howto) (fit, beyond []uint64) {
	if h.Overflow == Wraps {
		return []uint64{0, 1, math.MaxInt64, math.MaxUint64, 1 << 63}, nil
	}
	bits := 8 * uint(h.Size)
	smin, smax := uint64(math.MaxUint64)<<(bits-1), uint64(1)<<(bits-1)-1
	umax := uint64(1)<<bits - 1
	switch h.Overflow {
	case Signed:
		return []uint64{0, 1, math.MaxUint64, smin, smax}, []uint64{smin - 1, smax + 1, umax, 1 << 63}
	case Unsigned:
		return []uint64{0, 1, smax, smax + 1, umax}, []uint64{umax + 1, math.MaxUint64, smin, 1 << 63}
	default:
		return []uint64{0, 1, math.MaxUint64, smin, umax}, []uint64{smin - 1, umax + 1, 1 << 63}
	}
}

// TestHowtoRoundTrip applies and solves every row at its limits.
func TestHowtoRoundTrip(t *testing.T) {
	const place, addend = 0xffffffff81234567, -4
	for i := range howtos {
		h := &howtos[i]
		if h.Size == 0 || exprTable[h.Expr].foreign {
			continue
		}
		fit, beyond := limits(h)
		for _, v := range fit {
			s := operandFor(h, v, addend, place)
			var field [9]byte
			if err := h.Apply(field[:], s, addend, place); err != nil {
				t.Errorf("%s: %#x: %v", h.Name, v, err)
			}
			if field[h.Size] != 0 {
				t.Errorf("%s: wrote behind its field", h.Name)
			}
			got, err := h.Solve(field[:h.Size], addend, place)
			if err != nil {
				t.Errorf("%s: %v", h.Name, err)
			}
			mask := uint64(math.MaxUint64)
			if h.Overflow == Bitfield {
				mask = 1<<(8*h.Size) - 1
			}
			if got&mask != s&mask {
				t.Errorf("%s: %#x comes back as %#x", h.Name, s, got)
			}
		}
		for _, v := range beyond {
			var field [8]byte
			err := h.Apply(field[:], operandFor(h, v, addend, place), addend, place)
			var overflow *OverflowError
			if !errors.As(err, &overflow) || !errors.Is(err, ErrOverflow) || overflow.Value != v || overflow.Howto != h {
				t.Errorf("%s: %#x: error %v", h.Name, v, err)
			}
			if field != [8]byte{} {
				t.Errorf("%s: stored an overflow", h.Name)
			}
		}
	}
}

// operandFor returns the s for which the expression gives v.
func operandFor(h *Howto, v uint64, a int64, p uint64) uint64 {
	if h.PCRel {
		v += p
	}
	if !exprTable[h.Expr].noAddend {
		v -= uint64(a)
	}
	return v
}

func TestHowtoRefusals(t *testing.T) {
	for i := range howtos {
		h := &howtos[i]
		var field [16]byte
		_, solveErr := h.Solve(field[:], 0, 0)
		applyErr := h.Apply(field[:], 0, 0, 0)
		if hasField := h.Size != 0 && h.Size <= 8 && !exprTable[h.Expr].foreign; hasField {
			if applyErr != nil || solveErr != nil {
				t.Errorf("%s: %v, %v", h.Name, applyErr, solveErr)
			}
			if err := h.Apply(field[:h.Size-1], 0, 0, 0); !errors.Is(err, ErrShortField) {
				t.Errorf("%s: short field: %v", h.Name, err)
			}
			if _, err := h.Solve(field[:h.Size-1], 0, 0); !errors.Is(err, ErrShortField) {
				t.Errorf("%s: short field: %v", h.Name, err)
			}
			continue
		}
		if !errors.Is(solveErr, ErrNoField) {
			t.Errorf("%s: solved: %v", h.Name, solveErr)
		}
		if marker := h.Expr == ExprNone; marker != (applyErr == nil) {
			t.Errorf("%s: applied: %v", h.Name, applyErr)
		}
	}
}

// TestSolvePerCPU is the case in which a kernel relies on the sum being modulo
// 2^64: a PC-relative reference to a per-CPU offset near 0.
func TestSolvePerCPU(t *testing.T) {
	h, _ := HowtoOf(uint32(elf.R_X86_64_PC32))
	const place, offset = 0xffffffff81000123, 0x1f440
	var field [4]byte
	if err := h.Apply(field[:], offset, -5, place); err != nil {
		t.Fatal(err)
	}
	if s, err := h.Solve(field[:], -5, place); err != nil || s != offset {
		t.Errorf("%#x, %v", s, err)
	}
}

func FuzzHowto(f *testing.F) {
	f.Add(uint32(2), uint64(0x1000), int64(-4), uint64(0x2000))
	f.Add(uint32(10), uint64(math.MaxUint32), int64(1), uint64(0))
	f.Fuzz(func(t *testing.T, typ uint32, s uint64, a int64, p uint64) {
		h, ok := HowtoOf(typ)
		if !ok {
			return
		}
		var field, again [16]byte
		if h.Apply(field[:], s, a, p) != nil {
			return
		}
		got, err := h.Solve(field[:], a, p)
		if err != nil {
			return
		}
		if h.Overflow != Bitfield && got != s {
			t.Fatalf("%s: %#x comes back as %#x", h.Name, s, got)
		}
		if err := h.Apply(again[:], got, a, p); err != nil || again != field {
			t.Fatalf("%s: % x again is % x, %v", h.Name, field, again, err)
		}
	})
}
