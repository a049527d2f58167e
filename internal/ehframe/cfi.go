package ehframe

import (
	"fmt"
	"iter"
)

// RuleKind says how the caller's value of a register is found (DWARF 5, 6.4.1).
type RuleKind uint8

// The rules. The zero value stands for registers that the function does not
// mention, which it leaves as they are.
const (
	Unspecified   RuleKind = iota
	Undefined              // can't be recovered; for RA: there is no caller
	SameValue              // unchanged
	Offset                 // saved at CFA+N
	ValOffset              // is CFA+N
	Register               // is in register N
	Expression             // saved at the address that Expr computes
	ValExpression          // is what Expr computes
)

// A Rule finds one register.
type Rule struct {
	Kind RuleKind
	N    int64
	Expr []byte
}

// A Row holds the rules that are in force at an instruction.
type Row struct {
	CFAReg    uint64 // the canonical frame address is this register plus
	CFAOffset int64  // this offset,
	CFAExpr   []byte // or what the expression computes when not nil
	Regs      [numRegs]Rule
}

// Opcodes of call frame instructions (DWARF 5, 7.24; LSB Core 5.0, 10.5.2). The
// first three have an operand in their low six bits.
const (
	opAdvanceLoc = 0x40
	opOffset     = 0x80
	opRestore    = 0xc0

	opNop               = 0x00
	opSetLoc            = 0x01
	opAdvanceLoc1       = 0x02
	opAdvanceLoc2       = 0x03
	opAdvanceLoc4       = 0x04
	opOffsetExtended    = 0x05
	opRestoreExtended   = 0x06
	opUndefined         = 0x07
	opSameValue         = 0x08
	opRegister          = 0x09
	opRememberState     = 0x0a
	opRestoreState      = 0x0b
	opDefCFA            = 0x0c
	opDefCFARegister    = 0x0d
	opDefCFAOffset      = 0x0e
	opDefCFAExpression  = 0x0f
	opExpression        = 0x10
	opOffsetExtendedSf  = 0x11
	opDefCFASf          = 0x12
	opDefCFAOffsetSf    = 0x13
	opValOffset         = 0x14
	opValOffsetSf       = 0x15
	opValExpression     = 0x16
	opAdvanceLoc8       = 0x1d // DW_CFA_MIPS_advance_loc8, which readelf and gdb know for all
	opGNUArgsSize       = 0x2e
	opGNUNegativeOffset = 0x2f
)

// deepest bounds DW_CFA_remember_state. Compilers nest it once or twice.
const deepest = 64

// An interp interprets call frame instructions.
type interp struct {
	s       *section
	c       *cie
	cur     cursor
	start   uint64 // offset of the program in the section
	loc     uint64
	row     Row
	initial Row // after the CIE's instructions, for DW_CFA_restore
	saved   []Row

	// advance is called when the location is about to move to the argument;
	// it returns false to stop.
	advance func(to uint64) bool
	stopped bool
}

func (in *interp) errorHere(format string, args ...any) error {
	return in.s.errorAt(in.start+uint64(in.cur.off), fmt.Sprintf(format, args...))
}

// run interprets a program, which is at an offset of the section.
func (in *interp) run(program []byte, start uint64) error {
	in.cur, in.start = cursor{b: program}, start
	for in.cur.left() > 0 && !in.stopped {
		if err := in.step(); err != nil {
			return err
		}
		if in.cur.bad != "" {
			return in.errorHere("%s", in.cur.bad)
		}
	}
	return nil
}

// step interprets one instruction.
func (in *interp) step() error {
	c := &in.cur
	op := c.u8()
	low := uint64(op & 0x3f)
	switch op & 0xc0 {
	case opAdvanceLoc:
		in.move(low)
		return nil
	case opOffset:
		in.rule(low, Offset, int64(c.uleb())*in.c.dataAlign)
		return nil
	case opRestore:
		in.restore(low)
		return nil
	}
	switch op {
	case opNop:
	case opSetLoc:
		to := c.pointer(in.c.PCEnc, in.s.addr+in.start, 0)
		in.moveTo(to)
	case opAdvanceLoc1:
		in.move(c.fixed(1))
	case opAdvanceLoc2:
		in.move(c.fixed(2))
	case opAdvanceLoc4:
		in.move(c.fixed(4))
	case opAdvanceLoc8:
		in.move(c.fixed(8))
	case opRememberState:
		if len(in.saved) == deepest {
			return in.errorHere("states remembered too deep")
		}
		in.saved = append(in.saved, in.row)
	case opRestoreState:
		if len(in.saved) == 0 {
			return in.errorHere("no state to restore")
		}
		in.row = in.saved[len(in.saved)-1]
		in.saved = in.saved[:len(in.saved)-1]
	case opGNUArgsSize:
		c.uleb() // matters to landing pads alone
	default:
		if !in.stepCFA(op) && !in.stepRule(op) {
			return in.errorHere("unknown call frame instruction %#02x", op)
		}
	}
	return nil
}

// stepCFA interprets the instructions that define the CFA.
func (in *interp) stepCFA(op byte) bool {
	c, row := &in.cur, &in.row
	switch op {
	case opDefCFA:
		row.CFAReg, row.CFAOffset, row.CFAExpr = c.uleb(), int64(c.uleb()), nil
	case opDefCFASf:
		row.CFAReg, row.CFAOffset, row.CFAExpr = c.uleb(), c.sleb()*in.c.dataAlign, nil
	case opDefCFARegister:
		row.CFAReg, row.CFAExpr = c.uleb(), nil
	case opDefCFAOffset:
		row.CFAOffset, row.CFAExpr = int64(c.uleb()), nil
	case opDefCFAOffsetSf:
		row.CFAOffset, row.CFAExpr = c.sleb()*in.c.dataAlign, nil
	case opDefCFAExpression:
		row.CFAExpr = c.bytes(c.uleb())
		if row.CFAExpr == nil {
			row.CFAExpr = []byte{}
		}
	default:
		return false
	}
	return true
}

// stepRule interprets the instructions that define a register's rule.
func (in *interp) stepRule(op byte) bool {
	c, align := &in.cur, in.c.dataAlign
	switch op {
	case opOffsetExtended:
		in.rule(c.uleb(), Offset, int64(c.uleb())*align)
	case opOffsetExtendedSf:
		in.rule(c.uleb(), Offset, c.sleb()*align)
	case opGNUNegativeOffset:
		in.rule(c.uleb(), Offset, -int64(c.uleb())*align)
	case opValOffset:
		in.rule(c.uleb(), ValOffset, int64(c.uleb())*align)
	case opValOffsetSf:
		in.rule(c.uleb(), ValOffset, c.sleb()*align)
	case opRestoreExtended:
		in.restore(c.uleb())
	case opUndefined:
		in.rule(c.uleb(), Undefined, 0)
	case opSameValue:
		in.rule(c.uleb(), SameValue, 0)
	case opRegister:
		in.rule(c.uleb(), Register, int64(c.uleb()))
	case opExpression:
		in.expression(c.uleb(), Expression)
	case opValExpression:
		in.expression(c.uleb(), ValExpression)
	default:
		return false
	}
	return true
}

// rule sets a register's rule. Registers that hold no addresses, such as xmm0,
// are of no interest.
func (in *interp) rule(reg uint64, kind RuleKind, n int64) {
	if reg < numRegs {
		in.row.Regs[reg] = Rule{Kind: kind, N: n}
	}
}

func (in *interp) expression(reg uint64, kind RuleKind) {
	expr := in.cur.bytes(in.cur.uleb())
	if reg < numRegs {
		in.row.Regs[reg] = Rule{Kind: kind, Expr: expr}
	}
}

func (in *interp) restore(reg uint64) {
	if reg < numRegs {
		in.row.Regs[reg] = in.initial.Regs[reg]
	}
}

func (in *interp) move(delta uint64) { in.moveTo(in.loc + delta*in.c.codeAlign) }

func (in *interp) moveTo(to uint64) {
	if in.cur.bad != "" {
		return
	}
	if in.advance != nil && !in.advance(to) {
		in.stopped = true
		return
	}
	in.loc = to
}

// start returns an interpreter that has the CIE's rules.
func (s *section) start(f *FDE) (*interp, error) {
	in := &interp{s: s, c: f.cie, loc: f.Start}
	if err := in.run(f.cie.program, f.cie.Instructions); err != nil {
		return nil, err
	}
	in.initial, in.loc, in.saved = in.row, f.Start, nil
	return in, nil
}

// rowAt returns the rules at a link address in the FDE.
func (s *section) rowAt(f *FDE, pc uint64) (*Row, error) {
	in, err := s.start(f)
	if err != nil {
		return nil, err
	}
	in.advance = func(to uint64) bool { return to <= pc }
	if err := in.run(f.program, f.Instructions); err != nil {
		return nil, err
	}
	return &in.row, nil
}

// Rows iterates over the rules of a piece of code: each row holds from its link
// address to the next one's. A row may repeat an address; the last one counts.
func (t *Table) Rows(f FDE) iter.Seq2[uint64, Row] {
	return func(yield func(uint64, Row) bool) {
		in, err := t.frame.start(&f)
		if err != nil {
			return
		}
		in.advance = func(uint64) bool { return yield(in.loc, in.row) }
		if err := in.run(f.program, f.Instructions); err == nil && !in.stopped {
			yield(in.loc, in.row)
		}
	}
}
