package ehframe

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const stack = 0x7000

func walk(t *testing.T, tab *Table, mem Memory, pc uint64, limit int) ([]Frame, error) {
	t.Helper()
	var regs Regs
	regs.R[RA], regs.R[RSP], regs.R[RBP] = pc, stack, stack+8
	var list []Frame
	for f, err := range Walk(mem, regs, func(pc uint64) *Table {
		if pc >= 0x9000 {
			return nil
		}
		return tab
	}, limit) {
		if err != nil {
			return list, err
		}
		list = append(list, f)
	}
	return list, nil
}

func TestWalk(t *testing.T) {
	outermost := []byte{opUndefined, RA}
	tab := table(t, frames(
		nil, // 0x1000: leaf, return address at rsp
		[]byte{opAdvanceLoc | 4, opDefCFAOffset, 16, opOffset | RBP, 2, opAdvanceLoc | 4, opDefCFARegister, RBP}, // 0x2000: push rbp; mov rsp, rbp
		outermost, // 0x3000
	))
	// 0x1000 called by 0x2008 by 0x3010; rbp of 0x2000 is at stack+8.
	mem := words(stack, 0x2009, 0xb4b4, 0x3010)
	got, err := walk(t, tab, mem, 0x1000, 0)
	want := []Frame{
		{0, 0x1000, stack, true},
		{1, 0x2009, stack + 8, false},
		{2, 0x3010, stack + 24, false},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	// A call as the last instruction: the return address is another
	// function's.
	got, err = walk(t, tab, words(stack, 0x3100), 0x1000, 0)
	if err != nil || len(got) != 2 {
		t.Errorf("%v, %v", got, err)
	}
	// A return address of zero ends the stack as well.
	got, err = walk(t, tab, words(stack, 0), 0x1000, 0)
	if err != nil || len(got) != 1 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestWalkErrors(t *testing.T) {
	expr := func(op byte, e ...byte) []byte { return append([]byte{op, byte(len(e))}, e...) }
	tab := table(t, frames(
		nil,                               // 0x1000
		[]byte{opDefCFA, RSP, 0},          // 0x2000: does not grow
		[]byte{opDefCFA, 60, 0},           // 0x3000: CFA of no register
		[]byte{0x3f},                      // 0x4000: no instruction
		expr(opDefCFAExpression, exDeref), // 0x5000: stack underflow
		expr(opDefCFAExpression, exLit0, exSkip, 0xfc, 0xff), // 0x6000: endless
		[]byte{opRestoreState},                               // 0x7000
	))
	for _, c := range []struct {
		name   string
		mem    Memory
		pc     uint64
		limit  int
		reason Reason
		frame  int
	}{
		{"memory", words(0), 0x1000, 0, BadMemory, 0},
		{"second frame", words(stack, 0x1050), 0x1000, 0, BadMemory, 1},
		{"no FDE", words(stack, 0x1500), 0x1000, 0, NoFDE, 1},
		{"no table", words(stack, 0xffff), 0x1000, 0, NoTable, 1},
		{"loop", words(stack-8, 0x2050), 0x2000, 0, NotGrowing, 0},
		{"register", words(stack, 0), 0x3000, 0, BadRule, 0},
		{"instruction", words(stack, 0), 0x4000, 0, BadTable, 0},
		{"underflow", words(stack, 0), 0x5000, 0, BadRule, 0},
		{"endless expression", words(stack, 0), 0x6000, 0, BadRule, 0},
		{"state", words(stack, 0), 0x7000, 0, BadTable, 0},
		{"depth", words(stack, 0x1050, 0x1050, 0x1050, 0x1050), 0x1000, 3, TooManyDeep, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := walk(t, tab, c.mem, c.pc, c.limit)
			var we *WalkError
			if !errors.As(err, &we) || we.Reason != c.reason || we.Frame != c.frame || !errors.Is(err, c.reason) {
				t.Fatalf("got %v, want %q at frame %d", err, c.reason, c.frame)
			}
			t.Log(err)
		})
	}
}

func TestExpressions(t *testing.T) {
	var regs Regs
	regs.R[RSP], regs.R[R12] = stack, 0x1212
	regs.Undefined = 1 << RBX
	mem := words(stack, 0x8877665544332211)
	cfa := uint64(0xcfa)
	for _, c := range []struct {
		name string
		expr []byte
		want uint64
		bad  bool
	}{
		{"rsp-relative", []byte{exBreg0 + RSP, 0x78}, stack - 8, false},
		{"r12", []byte{exBregx, R12, 1}, 0x1213, false},
		{"undefined register", []byte{exBreg0 + RBX, 0}, 0, true},
		{"no such register", []byte{exBregx, 99, 0}, 0, true},
		{"deref", []byte{exBreg0 + RSP, 0, exDeref}, 0x8877665544332211, false},
		{"deref 2", []byte{exBreg0 + RSP, 1, exDerefSize, 2}, 0x3322, false},
		{"deref 3", []byte{exBreg0 + RSP, 1, exDerefSize, 3}, 0, true},
		{"deref nowhere", []byte{exLit0, exDeref}, 0, true},
		{"CFA is there", nil, cfa, false},
		{"call_frame_cfa", []byte{exCallCFA, 0x22}, 2 * cfa, false},
		{"addr", []byte{exAddr, 1, 0, 0, 0, 0, 0, 0, 0}, 0x101, false},
		{"const1s", []byte{0x09, 0xff}, ^uint64(0), false},
		{"const2u", []byte{0x0a, 0xff, 0xff}, 0xffff, false},
		{"const4s", []byte{0x0d, 0, 0, 0, 0x80}, 0xffffffff80000000, false},
		{"const8u", []byte{0x0e, 1, 2, 3, 4, 5, 6, 7, 8}, 0x0807060504030201, false},
		{"consts", []byte{exConsts, 0x7e}, ^uint64(1), false},
		{"minus", []byte{exLit0 + 3, exLit0 + 5, 0x1c}, ^uint64(1), false},
		{"div", []byte{exConsts, 0x78, exLit0 + 3, 0x1b}, ^uint64(1), false},
		{"div by zero", []byte{exLit0, exLit0, 0x1b}, 0, true},
		{"mod by zero", []byte{exLit0, exLit0, 0x1d}, 0, true},
		{"least by -1", []byte{0x0e, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x09, 0xff, 0x1b}, 1 << 63, false},
		{"shl too far", []byte{exLit0 + 1, exConst1u, 64, 0x24}, 0, false},
		{"shra", []byte{exConsts, 0x78, exLit0 + 1, 0x26}, ^uint64(3), false},
		{"rot", []byte{exLit0 + 1, exLit0 + 2, exLit0 + 3, exRot, 0x1c}, ^uint64(0), false}, // 3 1 2: 1-2
		{"swap", []byte{exLit0 + 1, exLit0 + 2, exSwap, 0x1c}, 1, false},
		{"over", []byte{exLit0 + 7, exLit0 + 2, exOver}, 7, false},
		{"pick", []byte{exLit0 + 7, exLit0 + 2, exLit0 + 3, exPick, 2}, 7, false},
		{"pick too deep", []byte{exPick, 2}, 0, true},
		{"bra", []byte{exLit0 + 1, exBra, 1, 0, exLit0 + 9, exLit0 + 5}, 5, false},
		{"not taken", []byte{exLit0, exBra, 1, 0, exLit0 + 9, 0x22}, 9 + cfa, false},
		{"out", []byte{exSkip, 100, 0}, 0, true},
		{"abs neg", []byte{exLit0 + 4, exNeg, exAbs}, 4, false},
		{"not", []byte{exLit0, exNot}, ^uint64(0), false},
		{"truncated", []byte{0x0e, 1}, 0, true},
		{"unknown", []byte{0xe0}, 0, true},
		{"nothing left", []byte{exDrop}, 0, true},
		// What lazy PLT entries have: CFA is rsp+8, and 8 more once the entry
		// has pushed its index.
		{"PLT", []byte{exDrop, exBreg0 + RSP, 8, exBreg0 + R12, 0, exLit0 + 15, 0x1a, exLit0 + 11, 0x2a, exLit0 + 3, 0x24, 0x22}, stack + 8, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := eval(c.expr, &regs, mem, 0x100, &cfa)
			if (err != nil) != c.bad || got != c.want {
				t.Errorf("got %#x, %v; want %#x", got, err, c.want)
			}
		})
	}
	long := make([]byte, 100)
	for i := range long {
		long[i] = exLit0
	}
	var ee *ExprError
	if _, err := eval(long, &regs, mem, 0, nil); !errors.As(err, &ee) || ee.Offset != exprStack {
		t.Errorf("overflow: %v", err)
	}
}

// TestRules covers the instructions that compilers seldom emit.
func TestRules(t *testing.T) {
	tab := table(t, frames([]byte{
		opDefCFASf, RBP, 0x7e, // -2 * -8
		opOffsetExtended, R12, 2,
		opOffsetExtendedSf, R13, 0x7f, // -1 * -8
		opGNUNegativeOffset, R14, 3,
		opValOffset, R15, 1,
		opValOffsetSf, R8, 0x7f,
		opRegister, R9, RDI,
		opSameValue, R10,
		opUndefined, R11,
		opExpression, RBX, 1, exLit0,
		opValExpression, RAX, 1, exLit0,
		opGNUArgsSize, 0x80, 1,
		opOffset | 17, 1, // xmm0 is of no interest
		opRememberState,
		opDefCFAOffsetSf, 0x7f,
		opRestore | R12, opRestoreExtended, R13, opRestore | RA,
		opAdvanceLoc1, 4,
		opRestoreState,
		opAdvanceLoc2, 4, 0,
		opAdvanceLoc4, 4, 0, 0, 0,
		opAdvanceLoc8, 4, 0, 0, 0, 0, 0, 0, 0,
	}))
	f, err := tab.Lookup(0x1000)
	if err != nil {
		t.Fatal(err)
	}
	full := Row{CFAReg: RBP, CFAOffset: 16}
	full.Regs[RA] = Rule{Offset, -8, nil}
	full.Regs[R12] = Rule{Offset, -16, nil}
	full.Regs[R13] = Rule{Offset, 8, nil}
	full.Regs[R14] = Rule{Offset, 24, nil}
	full.Regs[R15] = Rule{ValOffset, -8, nil}
	full.Regs[R8] = Rule{ValOffset, 8, nil}
	full.Regs[R9] = Rule{Register, RDI, nil}
	full.Regs[R10] = Rule{Kind: SameValue}
	full.Regs[R11] = Rule{Kind: Undefined}
	full.Regs[RBX] = Rule{Expression, 0, []byte{exLit0}}
	full.Regs[RAX] = Rule{ValExpression, 0, []byte{exLit0}}
	first := full
	first.CFAOffset = 8
	first.Regs[R12], first.Regs[R13] = Rule{}, Rule{}
	wantLoc := []uint64{0x1000, 0x1004, 0x1008, 0x100c, 0x1010}
	n := 0
	for loc, row := range tab.Rows(f) {
		want := full
		if n == 0 {
			want = first
		}
		if diff := cmp.Diff(want, row); diff != "" || loc != wantLoc[n] {
			t.Errorf("row %d at %#x: %s", n, loc, diff)
		}
		n++
	}
	if n != len(wantLoc) {
		t.Errorf("%d rows", n)
	}
}
